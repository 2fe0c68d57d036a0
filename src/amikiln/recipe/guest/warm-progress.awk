# Reads the progress of a build as rawjson, one report a line, and prints each of its own steps
# ("[STAGE 2/5] RUN ...") when it begins and how it ends. Other lines are passed on.
BEGIN { rank["begun"] = 1; rank["done"] = 2; rank["cached"] = 3; rank["failed"] = 4 }

!/^\{("|\})/ { print; fflush(); next }

/^\{"vertexes":\[/ {
    count = split($0, steps, /\{"digest":"/)
    for (i = 2; i <= count; i++) {
        step = steps[i]
        if (!match(step, /"name":"([^"\\]|\\.)*"/)) continue
        name = substr(step, RSTART + 8, RLENGTH - 9)
        if (name !~ /^\[([^]]* )?[0-9]+\/[0-9]+\] /) continue
        digest = substr(step, 1, index(step, "\"") - 1)
        state = step ~ /"error":"/ ? "failed" : step ~ /"cached":true/ ? "cached" : \
            step ~ /"completed":"/ ? "done" : step ~ /"started":"/ ? "begun" : ""
        # A step is often reported again, and not always with all that was known.
        if (rank[state] <= rank[printed[digest]]) continue
        printed[digest] = state
        gsub(/\\u0026/, "\\&", name)
        gsub(/\\u003c/, "<", name)
        gsub(/\\u003e/, ">", name)
        gsub(/\\"/, "\"", name)
        print state ": " name
        fflush()
    }
}
