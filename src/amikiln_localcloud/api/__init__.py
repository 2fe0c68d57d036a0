"""Every place where the local cloud differs from moto 5.2.1, one folder a service.

moto's services are replaced by subclasses: backends (the state), responses (parse a request and
answer it) and the few resource classes that behave differently. ``install`` registers them with
moto. Each override has a test in tests/localcloud/api that fails without it.
"""

import os

# moto reads this while it is imported. Web pages must not be able to read the cloud's answers.
os.environ["MOTO_DISABLE_GLOBAL_CORS"] = "true"

from amikiln_localcloud.api.ec2.lazy_instance_types import import_moto_ec2

# Here, because every module of this package imports moto.ec2.
import_moto_ec2()
