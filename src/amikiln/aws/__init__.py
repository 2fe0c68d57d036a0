"""The AWS API, through boto3 and nothing else. Answers become frozen records here."""
