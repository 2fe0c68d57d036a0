#!/bin/bash
# Stands for the Elastic CI Stack's script of this name: copies from a URL to a file.
set -euo pipefail
exec curl -Lfs -o "$2" "$1"
