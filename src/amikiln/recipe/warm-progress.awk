# Reads the progress of a build as rawjson, and tells of each step when it begins and how it ends.
# Whatever else the build writes is passed on.
!/^\{"/ { print; fflush(); next }

/^\{"vertexes":\[/ {
    count = split($0, steps, /\{"digest":"/)
    for (i = 2; i <= count; i++) {
        step = steps[i]
        if (!match(step, /"name":"([^"\\]|\\.)*"/)) continue
        name = substr(step, RSTART + 8, RLENGTH - 9)
        if (name ~ /^\[internal\]/) continue
        digest = substr(step, 1, index(step, "\"") - 1)
        state = step ~ /"error":"/ ? "failed" : step ~ /"cached":true/ ? "cached" : \
            step ~ /"completed":"/ ? "done" : step ~ /"started":"/ ? "begun" : ""
        if (state == "" || state == told[digest]) continue
        told[digest] = state
        print state ": " name
        fflush()
    }
}
