# shellcheck shell=sh
# The first thing that every script does: `. .../usage.sh`. With -h or --help anywhere among its
# arguments, the comment at the script's top is printed, and nothing is run.

print_usage() {
    awk 'NR > 1 { if (!/^#/) exit; if (!/^# shellcheck /) { sub(/^# ?/, ""); print } }' "$0"
}
# Ends the script for an argument that it does not know.
refuse() { # ARGUMENT
    echo "${0##*/}: unknown argument: $1" >&2
    print_usage >&2
    exit 2
}
refuse_rest() { # ARGUMENTS...: there may be none
    [ "$#" = 0 ] || refuse "$1"
}
# For what a script hands on to pytest: short options and names are pytest's; of the long ones, those
# that are not misspelt ones of the script.
refuse_unknown_to_pytest() { # ARGUMENTS...
    for word; do
        case $word in
        --lf | --ff | --sw | --durations=* | --basetemp=* | --maxfail=* | --tb=* | --pdb | --cov*) ;;
        --*) refuse "$word" ;;
        esac
    done
}
# For a script whose only argument is a number.
refuse_no_number() { # WORD
    case $1 in
    '' | *[!0-9]*) refuse "$1" ;;
    esac
}

for word; do
    case $word in
    -h | --help)
        print_usage
        exit 0
        ;;
    esac
done
unset word
