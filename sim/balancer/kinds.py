"""The kinds of balancers of the model, listed here."""

from sim.balancer.balancer import Balancer
from sim.balancer.envoy import EnvoyBalancer
from sim.balancer.haproxy import HAProxyBalancer
from sim.balancer.nginx import NginxBalancer

KINDS: dict[str, type[Balancer]] = {"haproxy": HAProxyBalancer, "nginx": NginxBalancer, "envoy": EnvoyBalancer}
