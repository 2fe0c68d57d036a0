# shellcheck shell=sh
# The warm build. Sourced after lib.sh, by 50-warm at the bake and by check-warm on the machine
# that is verified, so that both do the same.

SHOWN_LINES=60
LOG_CHUNKS=400 # BuildKit sends a step's output in pieces of a few lines
RECIPE=$PWD

# A cache of GitHub Actions' that has no token is none, in every version of buildx. An empty value
# should be none as well, and is an error in some (0.19.2, 0.20.1).
NO_CACHE=type=gha

# Builds once, as_owner or as_job. BuildKit's log goes to FILE as it is, and its steps are printed.
#   fill FILE          makes everything that it needs local: what a cache has is fetched, and read
#   ask FILE           builds with what is in the builder's store, and fetches from no cache
#   read FILE OUTPUT   like ask, and writes the results as tar files to OUTPUT, all to one file
#   today FILE         like ask, with URLs and git references as they are now, and what the bake
#                      files say of not using a cache
# Targets that follow are built instead of the spec's; OVERLAY, if set, is a bake file that has them.
run_warm_build() ( # as_owner_with_logins|as_job fill|ask|read|today FILE [OUTPUT] [TARGET...]
    way=$1
    kind=$2
    file=$3
    shift 3
    policy=warm-policy.json
    case $kind in
    fill) output=type=tar,dest=/dev/null ;;
    ask) output=type=cacheonly ;;
    today) output=type=cacheonly policy=warm-policy-images.json ;;
    read) output=type=tar,dest=$1 && shift ;;
    esac
    # shellcheck source=/dev/null
    [ "$#" != 0 ] || . ./warm-targets.sh
    # Attestations are no steps, and what makes them is an image that jobs have to pull.
    set -- --provenance=false --sbom=false "--set=*.output=$output" "--set=*.cache-to=$NO_CACHE" "$@"
    [ "$kind" = fill ] || set -- "--set=*.cache-from=$NO_CACHE" "$@"
    [ "$kind" = today ] || while read -r _ name _; do
        case $name in
        pull | no-cache) set -- "--set=*.$name=false" "$@" ;;
        # An empty list would be all stages.
        no-cache-filter) set -- "--set=*.$name=amikiln-no-stage" "$@" ;;
        esac
    done <warm-settings.list
    for overlay in warm-overlay.json "${OVERLAY:-}"; do
        [ ! -s "$overlay" ] || set -- "--file=$RECIPE/$overlay" "$@"
    done
    while IFS= read -r grant; do set -- "--allow=$grant" "$@"; done <warm-grants.now
    # shellcheck source=/dev/null
    . ./warm-arguments.sh
    set -- docker buildx bake --builder "$BUILDER" --progress rawjson "$@"
    if [ -s "$policy" ]; then
        set -- "EXPERIMENTAL_BUILDKIT_SOURCE_POLICY=$RECIPE/$policy" "$@"
    fi
    # shellcheck source=/dev/null
    . ./warm-variables.sh
    {
        code=0
        # shellcheck disable=SC2154 # WARM_SECONDS comes from values.env
        "$way" timeout "$WARM_SECONDS" env -C "$CONTEXT" "$@" 2>&1 || code=$?
        echo "$code" >warm.exit-code
    } | unbuffered_awk -f warm-lines.awk | tee "$file" | unbuffered_awk -f warm-progress.awk
    [ "$(cat warm.exit-code)" != 124 ] ||
        say "stopped: a build may take $WARM_SECONDS s (deadlines.build_seconds)" >&2
    [ "$(cat warm.exit-code)" = 0 ] || {
        print_failed_steps "$file"
        return 1
    }
)

# Before the first build: asks buildx which targets the spec's are in the end, and adds the spec's
# caches and secrets to each, since --set would replace those of the bake files.
prepare_warm_build() { # as_owner|as_job
    way=$1
    shift
    [ ! -d "$SECRETS" ] || chown -R "$("$way" id -u)" "$SECRETS"
    rm -f warm-overlay.json
    : >warm-grants.now
    if docker buildx bake --help | grep -q -e ' --allow '; then
        cp warm-grants.list warm-grants.now
        # The context of write_parts' images. What is granted has to exist, for 0.19.
        mkdir -p nothing
        echo "fs.read=$RECIPE/nothing" >>warm-grants.now
    fi
    (
        # shellcheck source=/dev/null
        . ./warm-targets.sh
        # shellcheck source=/dev/null
        . ./warm-arguments.sh
        set -- docker buildx bake --builder "$BUILDER" --print "$@"
        # shellcheck source=/dev/null
        . ./warm-variables.sh
        "$way" env -C "$CONTEXT" "$@" >warm-resolved.json 2>warm-resolved.said </dev/null
    ) || {
        tail -n "$SHOWN_LINES" warm-resolved.said >&2
        die "buildx does not say which targets the bake files have; what it said is above"
    }
    # {"group":..., "target": {"NAME": {...}, ...}}, indented by two blanks
    awk '/^  "target": \{$/ { inside = 1 } /^  \}/ { inside = 0 }
        inside && /^    "[^"]+": \{/ { split($0, parts, "\""); print parts[2] }' \
        warm-resolved.json >warm-names.list
    [ -s warm-names.list ] || die "buildx finds no target in the bake files"
    sort -u warm-names.list >warm-names.sorted
    awk -f warm-settings.awk warm-resolved.json >warm-settings.list
    [ "$(cat warm-added.json)" = '{}' ] ||
        awk -v added="$(cat warm-added.json)" '
            { line = line (NR > 1 ? "," : "") "\"" $0 "\":" added }
            END { print "{\"target\":{" line "}}" }' warm-names.list >warm-overlay.json
}

# Prints what a build is made from besides its targets' own layers, out of its log:
#   stage TARGET STAGE       a stage of that bake target
#   image REFERENCE [PLATFORM]   an image, by tag and digest
list_parts() { # FILE
    awk -v names="$(tr '\n' ' ' <warm-names.list)" -f warm-parts.awk "$1" | sort -u
}

# Whether a build, by its log, took anything from a cache elsewhere.
imported_any() { grep -q '"name":"\([^"]* \)\{0,1\}importing cache manifest from ' "$1"; }

# Writes a bake file with a target for each part, and prints the targets' names.
write_parts() { # FILE, of list_parts
    mkdir -p nothing
    awk -v context="$RECIPE/nothing" -f warm-parts-file.awk "$1" >warm-parts.json
    awk '{ print "amikiln-part-" NR }' "$1"
}

# Prints which URLs and git references the builder's builds so far asked for, and what these gave,
# out of BuildKit's own records; nothing where it keeps none.
#   url URL SHA256
#   git REPOSITORY[#REF] COMMIT
# https://docs.docker.com/build/metadata/attestations/slsa-provenance/
list_sources() {
    run_buildctl debug histories --format '{{with .Record}}{{json .CreatedAt}}{{with .Result}}'\
'{{range .Attestations}} {{.Digest}}{{end}}{{end}}{{range .Results}}{{range .Attestations}} '\
'{{.Digest}}{{end}}{{end}}{{end}}' 2>/dev/null | sort | tr ' ' '\n' | grep '^sha256:' |
        while read -r record; do
            run_buildctl debug get "$record" </dev/null 2>/dev/null || true
        done | awk -f warm-sources.awk
}

# From here on a build takes each source as what it was at the bake: BuildKit asks for tags, URLs and
# git references each time otherwise.
# https://docs.docker.com/build/building/variables/#experimental_buildkit_source_policy
pin_sources() { # FILE... of list_parts and list_sources
    cat "$@" | awk -f warm-policy.awk >warm-policy.json
    cat "$@" | grep '^image ' | awk -f warm-policy.awk >warm-policy-images.json
}

# mawk waits for a full buffer of input without this option; others do not know it.
unbuffered_awk() {
    case $(awk -W version 2>&1 </dev/null) in
    mawk*) awk -W interactive "$@" ;;
    *) awk "$@" ;;
    esac
}

# Prints the last lines that the failed steps of a build wrote.
print_failed_steps() { # FILE
    awk -f warm-failure.awk "$1" "$1" | tail -n "$LOG_CHUNKS" |
        while read -r encoded; do printf '%s' "$encoded" | base64 -d; done |
        tail -n "$SHOWN_LINES"
}

# Leaves only the reports of steps, without their output, which may hold anything.
select_steps() { grep '"vertexes":\[' | sed -E 's/,"(statuses|logs|warnings)":\[.*$/}/'; }
