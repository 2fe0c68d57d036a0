# Reads a build's rawjson twice, and prints what its failed steps wrote: base64, one piece a line.
FNR == NR && /^\{"vertexes":\[/ {
    count = split($0, steps, /\{"digest":"/)
    for (i = 2; i <= count; i++) {
        if (steps[i] ~ /"error":"/) failed[substr(steps[i], 1, index(steps[i], "\"") - 1)]
    }
}

FNR < NR && /"logs":\[/ {
    count = split($0, pieces, /\{"vertex":"/)
    for (i = 2; i <= count; i++) {
        digest = substr(pieces[i], 1, index(pieces[i], "\"") - 1)
        if (digest in failed && match(pieces[i], /"data":"[A-Za-z0-9+\/=]*"/)) {
            print substr(pieces[i], RSTART + 8, RLENGTH - 9)
        }
    }
}
