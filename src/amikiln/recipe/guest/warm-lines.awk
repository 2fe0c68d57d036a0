# Puts each report of a build's progress, rawjson, on one line, as newer versions of buildx print
# it; older ones print it over many lines. Other lines are passed on.
/^\{$/ { report = "{"; next }

report != "" {
    line = $0
    sub(/^ +/, "", line)
    if (match(line, /^"[A-Za-z]+": /)) line = substr(line, 1, RLENGTH - 1) substr(line, RLENGTH + 1)
    report = report line
    if ($0 == "}") {
        print report
        fflush()
        report = ""
    }
    next
}

{ print; fflush() }
