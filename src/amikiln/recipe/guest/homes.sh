# shellcheck shell=sh
# The homes of users and what 95-seal removes from them; short-list.sh looks whether any is left.

# Prints the homes of all users below ROOT, one a line. Parts of the system (/bin, /var/spool/lpd)
# that a system user has as home are left out.
list_homes() { # ROOT, without a slash at its end
    {
        printf '%s\n' /root
        for home in "$1"/home/*; do printf '%s\n' "${home#"$1"}"; done
        awk -F : '
            $6 ~ "^/var/lib/." { print $6 }
            $6 ~ "^/." && $6 !~ "^/(bin|boot|dev|etc|lib(32|64|x32)?|nonexistent|proc|run|sbin|sys|tmp|usr|var)(/|$)" {
                print $6
            }' "$1/etc/passwd"
    } | sort -u | while IFS= read -r home; do
        [ ! -d "$1$home" ] || printf '%s\n' "$1$home"
    done
}

# Each runs a command with the files of a home as further arguments; not all of them need exist.
with_histories() { # HOME COMMAND...
    home=$1
    shift
    "$@" "$home"/.*_history "$home/.lesshst" "$home/.viminfo"
}
with_authorized_keys() { # HOME COMMAND...
    home=$1
    shift
    "$@" "$home/.ssh/authorized_keys" "$home/.ssh/authorized_keys2"
}
with_registry_logins() { # HOME COMMAND...
    home=$1
    shift
    "$@" "$home/.docker/config.json" "$home/.dockercfg" "$home/.config/containers/auth.json"
}
