#!/usr/bin/env bash
# Stands for the Elastic CI Stack's script of this name: Docker's settings, its clean-up, its restart.
# shellcheck disable=SC2016 # jq's own variables
set -Eeuo pipefail

exec > >(tee -a /var/log/elastic-stack.log | logger -t user-data -s 2>/dev/console) 2>&1
echo "Starting $0"

configure() { # JQ-ARGUMENTS...
	local changed
	changed=$(jq "$@" /etc/docker/daemon.json)
	printf '%s\n' "$changed" >/etc/docker/daemon.json
}

if [[ ${DOCKER_USERNS_REMAP:-false} == true ]]; then
	printf 'buildkite-agent:%s:1\nbuildkite-agent:100000:65536\n' "$(id -u buildkite-agent)" >/etc/subuid
	printf 'buildkite-agent:%s:1\nbuildkite-agent:100000:65536\n' \
		"$(getent group docker | cut -d: -f3)" >/etc/subgid
	configure '."userns-remap" = "buildkite-agent"'
fi

# As in the stack's, an error where the variable is missing.
case $DOCKER_NETWORKING_PROTOCOL in
ipv4)
	configure --arg first "${DOCKER_IPV4_ADDRESS_POOL_1:-172.17.0.0/12}" \
		--arg second "${DOCKER_IPV4_ADDRESS_POOL_2:-192.168.0.0/16}" \
		'."default-address-pools" = [{base: $first, size: 20}, {base: $second, size: 24}]'
	;;
dualstack)
	DOCKER_EXPERIMENTAL=true
	configure --arg fixed "${DOCKER_FIXED_CIDR_V6:-2001:db8:1::/64}" \
		'.ipv6 = true | .ip6tables = true | ."fixed-cidr-v6" = $fixed'
	;;
esac
if [[ -n ${DOCKER_FIXED_CIDR_V4:-} ]]; then
	configure --arg fixed "$DOCKER_FIXED_CIDR_V4" '."fixed-cidr" = $fixed'
fi
if [[ ${DOCKER_EXPERIMENTAL:-false} == true ]]; then configure '.experimental = true'; fi
if [[ ${BUILDKITE_ENABLE_INSTANCE_STORAGE:-false} == true ]]; then
	mkdir -p /mnt/ephemeral/docker
	configure '."data-root" = "/mnt/ephemeral/docker"'
fi

systemctl start docker-low-disk-gc.service
systemctl enable docker-gc.timer docker-low-disk-gc.timer
systemctl restart docker
systemctl start docker-binfmt.service
