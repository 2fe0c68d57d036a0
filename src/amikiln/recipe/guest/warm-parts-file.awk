# Reads the lines of warm-parts.awk, and prints a bake file with a target for each. An image's is a
# build of its own, in the empty folder CONTEXT.
function quote(text) {
    gsub(/["\\$%]/, "", text)
    return "\"" text "\""
}

{ printf "%s\"amikiln-part-%d\":{", (NR > 1 ? "," : "{\"target\":{"), NR }

$1 == "stage" { printf "\"inherits\":[%s],\"target\":%s}", quote($2), quote($3) }

$1 == "image" {
    printf "\"context\":%s,\"dockerfile-inline\":\"FROM %s\\n\"", quote(context), $2
    if ($3 != "") printf ",\"platforms\":[%s]", quote($3)
    printf "}"
}

END { print (NR ? "}}" : "{}") }
