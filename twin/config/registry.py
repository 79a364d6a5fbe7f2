"""What the model takes from the configurations about a registry."""

from twin.config.nginx import HANDOVER as NGINX_HANDOVER

__all__ = ["NGINX_HANDOVER"]
