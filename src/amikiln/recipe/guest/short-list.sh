#!/bin/sh
# The short list of secrets: prints KIND<tab>PATH for each file that holds one, never its content.
# Usage, in the recipe's folder: short-list.sh ROOT [booted]
# PATH is written as in a JSON string, so that it is one line whatever the file is called.
# booted: on a running machine. What its boot created (its own host keys, the one key that lets
# its owner in, its user data) is newer than the boot, and is ignored.
set -u

if [ "${1:-}" = --print ]; then
    # Called by xargs and by 97-scan: --print ROOT KIND FILE...
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

. ./homes.sh

print_files() { sh short-list.sh --print "$root" "$@"; } # KIND FILE...

# Whether a file is newer than the boot of a running machine.
of_this_boot() {
    [ "$booted" = booted ] || return 1
    [ "$(stat -c %Y "$1")" -ge "$(sh boot-moment.sh)" ]
}

# Prints the files that have a line like PATTERN.
print_matching() { # KIND PATTERN FILE...
    kind=$1 wanted=$2
    shift 2
    for file; do
        if [ -f "$file" ] && grep -qaE -e "$wanted" "$file"; then print_files "$kind" "$file"; fi
    done
}

# Prints the files that are not empty.
print_filled() { # KIND FILE...
    kind=$1
    shift
    for file; do
        if [ -s "$file" ]; then print_files "$kind" "$file"; fi
    done
}

print_authorized_keys() { # FILE...
    for file; do
        keys=$(grep -cE '^[[:space:]]*[^#[:space:]]' "$file" 2>/dev/null)
        [ "${keys:-0}" -gt 0 ] || continue
        # One key, written at boot, is the one that lets this machine's owner in.
        if [ "$keys" = 1 ] && of_this_boot "$file"; then continue; fi
        print_files authorized-keys "$file"
    done
}

print_secrets_in() { # HOME
    with_registry_logins "$1" print_matching registry-login \
        '"(auth|identitytoken|registrytoken|password)"[[:space:]]*:[[:space:]]*"[^"]'
    print_matching aws-credentials '(secret_access_key|session_token|accessToken|SecretAccessKey)' \
        "$1/.aws/credentials" "$1/.aws/config" "$1"/.aws/cli/cache/* "$1"/.aws/sso/cache/*
    print_matching git-credentials '://[^/]*:[^/]*@' "$1/.git-credentials" "$1/.config/git/credentials"
    print_matching netrc 'password' "$1/.netrc" "$1/_netrc"
    print_matching npm-token '(_authToken|_auth|_password)[[:space:]]*=' "$1/.npmrc"
    print_matching pypi-token 'password[[:space:]]*[:=]' "$1/.pypirc"
    print_matching github-token '(oauth_token|token):' "$1/.config/gh/hosts.yml"
    print_matching kubernetes-login '(token|client-key-data|password):' "$1/.kube/config"
    print_matching google-credentials '(private_key|refresh_token)' \
        "$1/.config/gcloud/application_default_credentials.json"
    with_histories "$1" print_filled history
    with_authorized_keys "$1" print_authorized_keys
}

# Only on the folder's own file system, not on what is mounted below it.
print_private_keys_in() { # FOLDER
    [ -d "$1" ] || return 0
    find "$1" -xdev -type f -size -1024k ! -path "$root/etc/ssh/ssh_host_*" \
        -exec grep -lZaE -e '-----BEGIN ([A-Z0-9]+ )*PRIVATE KEY|PuTTY-User-Key-File' {} + |
        xargs -0 -r sh short-list.sh --print "$root" private-key
}

{
    list_homes "$root" | while IFS= read -r home; do
        print_secrets_in "$home"
        print_private_keys_in "$home"
    done
    for folder in etc opt var/tmp tmp; do print_private_keys_in "$root/$folder"; done
    for file in "$root"/etc/ssh/ssh_host_*_key; do
        if [ -s "$file" ] && ! of_this_boot "$file"; then print_files ssh-host-key "$file"; fi
    done
    for file in "$root"/var/lib/cloud/instance/user-data* "$root"/var/lib/cloud/instances/*/user-data* \
        "$root"/var/lib/cloud/seed/*/user-data; do
        if [ -s "$file" ] && ! of_this_boot "$file"; then print_files user-data "$file"; fi
    done
} | sort -u
