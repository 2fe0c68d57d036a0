"""Every place where the local cloud differs from moto 5.2.1, one module a concern.

moto's services are replaced by subclasses: backends (the model), responses (what parses a
request and answers it) and the few resource classes that behave differently. ``install`` puts
them in. Each override has a test in tests/localcloud/overrides that fails without it.
"""

from amikiln_localcloud.api.ec2.catalogue import import_without_catalogue

# Here, because every module of this package imports moto.ec2.
import_without_catalogue()
