#!/bin/sh
# The short list of secrets, by file: prints KIND<tab>PATH for each, never content.
# Usage: short-list.sh ROOT [booted]
# PATH is written as in a JSON string, so that it is one line whatever the file is called.
# booted: on a machine that runs. What its boot made (its own host keys, the one key that lets
# its owner in, its user data) is newer than the boot, and no finding.
set -u

if [ "${1:-}" = --tell ]; then
    # Called by xargs: --tell ROOT KIND FILE...
    root=$2 kind=$3
    shift 3
    for file; do
        printf '%s\n' "${file#"$root"}" | awk -v kind="$kind" '
            {
                gsub(/\\/, "&&")
                gsub(/"/, "\\\"")
                gsub(/\t/, "\\t")
                gsub(/\r/, "\\r")
                text = text (NR > 1 ? "\\n" : "") $0
            }
            END { print kind "\t" text }'
    done
    exit 0
fi

root=${1%/}
booted=${2:-}
self=$0

tell() { sh "$self" --tell "$root" "$@"; }

# Newer than the boot (proc_stat(5), btime), on a machine that runs.
of_this_boot() {
    [ "$booted" = booted ] || return 1
    began=$(awk '$1 == "btime" { print $2 }' /proc/stat)
    [ "$(stat -c %Y "$1")" -ge "$began" ]
}

# Tells of a file that has a line like that.
file_with() { # KIND PATTERN FILE...
    kind=$1 wanted=$2
    shift 2
    for file; do
        if [ -f "$file" ] && grep -qaE -e "$wanted" "$file"; then tell "$kind" "$file"; fi
    done
}

# Homes of all users, a line each; those that are parts of the system are none.
homes() {
    {
        printf '%s\n' "$root/root"
        for home in "$root"/home/*; do printf '%s\n' "$home"; done
        cut -d: -f6 "$root/etc/passwd" 2>/dev/null | grep -E '^/(var/lib|opt|srv|home)/.' |
            while read -r home; do printf '%s\n' "$root$home"; done
    } | sort -u | while read -r home; do [ ! -d "$home" ] || printf '%s\n' "$home"; done
}

secrets_of_home() {
    file_with registry-login '"(auth|identitytoken|registrytoken|password)"[[:space:]]*:[[:space:]]*"[^"]' \
        "$1/.docker/config.json" "$1/.dockercfg" "$1/.config/containers/auth.json"
    file_with aws-credentials '(secret_access_key|session_token|accessToken|SecretAccessKey)' \
        "$1/.aws/credentials" "$1/.aws/config" "$1"/.aws/cli/cache/* "$1"/.aws/sso/cache/*
    file_with git-credentials '://[^/]*:[^/]*@' "$1/.git-credentials" "$1/.config/git/credentials"
    file_with netrc 'password' "$1/.netrc" "$1/_netrc"
    file_with npm-token '(_authToken|_auth|_password)[[:space:]]*=' "$1/.npmrc"
    file_with pypi-token 'password[[:space:]]*[:=]' "$1/.pypirc"
    file_with github-token '(oauth_token|token):' "$1/.config/gh/hosts.yml"
    file_with kubernetes-login '(token|client-key-data|password):' "$1/.kube/config"
    file_with google-credentials '(private_key|refresh_token)' \
        "$1/.config/gcloud/application_default_credentials.json"
    for file in "$1"/.bash_history "$1"/.ash_history "$1"/.sh_history "$1"/.zsh_history \
        "$1"/.python_history "$1"/.psql_history "$1"/.mysql_history "$1"/.node_repl_history; do
        if [ -s "$file" ]; then tell history "$file"; fi
    done
    for file in "$1/.ssh/authorized_keys" "$1/.ssh/authorized_keys2"; do
        keys=$(grep -cE '^[[:space:]]*[^#[:space:]]' "$file" 2>/dev/null)
        [ "${keys:-0}" -gt 0 ] || continue
        # One key, written at boot, is the one that lets this machine's owner in.
        if [ "$keys" = 1 ] && of_this_boot "$file"; then continue; fi
        tell authorized-keys "$file"
    done
}

# The file system's own: nothing of what is mounted below.
private_keys_in() {
    [ -d "$1" ] || return 0
    find "$1" -xdev -type f -size -1024k ! -path "$root/etc/ssh/ssh_host_*" \
        -exec grep -lZaE -e '-----BEGIN ([A-Z0-9]+ )*PRIVATE KEY|PuTTY-User-Key-File' {} + |
        xargs -0 -r sh "$self" --tell "$root" private-key
}

{
    homes | while read -r home; do
        secrets_of_home "$home"
        private_keys_in "$home"
    done
    for place in etc opt var/tmp tmp; do private_keys_in "$root/$place"; done
    for file in "$root"/etc/ssh/ssh_host_*_key; do
        if [ -s "$file" ] && ! of_this_boot "$file"; then tell ssh-host-key "$file"; fi
    done
    for file in "$root"/var/lib/cloud/instance/user-data* "$root"/var/lib/cloud/instances/*/user-data* \
        "$root"/var/lib/cloud/seed/*/user-data; do
        if [ -s "$file" ] && ! of_this_boot "$file"; then tell user-data "$file"; fi
    done
} | sort -u
