from amikiln_localcloud.control import down as down
from amikiln_localcloud.control import reset as reset
from amikiln_localcloud.control import status as status
from amikiln_localcloud.control import up as up
from amikiln_localcloud.home import Home as Home
from amikiln_localcloud.variables import environment as environment

__all__ = ["Home", "down", "environment", "reset", "status", "up"]
