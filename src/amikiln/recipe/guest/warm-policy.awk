# Reads the lines of list_parts and list_sources, and prints a source policy in which each has what it
# had then; nothing if there is none.
# https://github.com/moby/buildkit/blob/v0.26.3/docs/build-repro.md#reproducing-the-pinned-dependencies
function quote_expression(text) {
    gsub(/[][^\\]/, ".", text)
    gsub(/[.+*?()|{}$]/, "[&]", text)
    return text
}

function add(rule) { rules = rules (rules ? "," : "") "{\"action\":\"CONVERT\"," rule "}" }

$1 == "image" {
    tag = $2
    sub(/@.*/, "", tag)
    if (tag !~ /:[^\/]+$/ || tag in seen) next
    seen[tag]
    add("\"selector\":{\"identifier\":\"docker-image://" tag "\"}," \
        "\"updates\":{\"identifier\":\"docker-image://" $2 "\"}")
}

$1 == "url" {
    add("\"selector\":{\"identifier\":\"" $2 "\"},\"updates\":{\"identifier\":\"" $2 "\"," \
        "\"attrs\":{\"http.checksum\":\"sha256:" $3 "\"}}")
}

# BuildKit's name has neither the protocol nor the user: git://HOST/PATH#REF:FOLDER
$1 == "git" {
    place = $2
    ref = ""
    if (match(place, /#/)) {
        ref = substr(place, RSTART + 1)
        place = substr(place, 1, RSTART - 1)
    }
    if (!sub(/^[a-z+]+:\/\//, "", place)) sub(/:\/?/, "/", place)
    sub(/^[^@\/]*@/, "", place)
    if (ref == $3) next
    expression = "^git://" quote_expression(place)
    folder = ref == "" ? "(#(:.*)?)?$" : "#" quote_expression(ref) "(:.*)?$"
    add("\"selector\":{\"identifier\":\"" expression folder "\",\"match_type\":\"REGEX\"}," \
        "\"updates\":{\"identifier\":\"git://" place "#" $3 "${" (ref == "" ? 2 : 1) "}\"}")
}

END { if (rules) print "{\"rules\":[" rules "]}" }
