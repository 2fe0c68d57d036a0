# Reads BuildKit's records of provenance, the oldest first, and prints the URLs and git references in
# them with what they gave. Values stay as they are written in JSON.
#   "uri": "https://example.org/a.tar", "digest": { "sha256": "..." }
# Images have a uri that begins with pkg: and a commit has the digest sha1.
function value(line) {
    match(line, /: "([^"\\]|\\.)*"/)
    return substr(line, RSTART + 3, RLENGTH - 4)
}

/^ *"uri": "/ { uri = value($0); next }

uri != "" && /^ *"(sha1|sha256)": "[0-9a-f]+"/ {
    kind = /"sha1"/ ? "git" : "url"
    if (uri !~ /^pkg:|[ \t]/) {
        if (!(uri in kind_of)) order[++count] = uri
        kind_of[uri] = kind
        digest[uri] = value($0)
    }
    uri = ""
}

END { for (i = 1; i <= count; i++) print kind_of[order[i]], order[i], digest[order[i]] }
