# Compares findings with the allow list. Reads the list (PATTERN<tab>KIND<tab>REASON) first, then
# findings (KIND<tab>PATH). Paths and patterns are written as JSON strings are, so that a line is
# one finding whatever a file is called. Prints open<tab>KIND<tab>PATH, or
# allowed<tab>KIND<tab>PATH<tab>REASON.

# Whether a text matches a pattern in which * stands for anything and nothing else is special.
function matches(text, pattern,    parts, count, i, at, last) {
    count = split(pattern, parts, "*")
    if (count == 1) return text == pattern
    if (substr(text, 1, length(parts[1])) != parts[1]) return 0
    text = substr(text, length(parts[1]) + 1)
    for (i = 2; i < count; i++) {
        at = index(text, parts[i])
        if (parts[i] != "" && !at) return 0
        if (at) text = substr(text, at + length(parts[i]))
    }
    last = parts[count]
    return length(text) >= length(last) && substr(text, length(text) - length(last) + 1) == last
}

BEGIN { FS = "\t" }
listing { pattern[++entries] = $1; kind[entries] = $2; reason[entries] = $3; next }
{
    for (i = 1; i <= entries; i++) {
        if (matches($2, pattern[i]) && matches($1, kind[i])) {
            print "allowed\t" $1 "\t" $2 "\t" reason[i]
            next
        }
    }
    print "open\t" $1 "\t" $2
}
