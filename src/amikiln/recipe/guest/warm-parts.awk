# Reads a build's steps as rawjson, and prints the stages and images that it is made from. NAMES are
# its bake targets; with several, each step's name begins with its target's.
#   [TARGET PLATFORM STAGE 2/5] RUN ...     each of the three only where there are several
BEGIN { count_of_targets = split(names, targets, " ") }

/^\{"vertexes":\[/ {
    count = split($0, steps, /\{"digest":"/)
    for (i = 2; i <= count; i++) {
        if (!match(steps[i], /"name":"([^"\\]|\\.)*"/)) continue
        name = substr(steps[i], RSTART + 8, RLENGTH - 9)
        platform = stage = ""
        target = count_of_targets == 1 ? targets[1] : ""
        if (match(name, /^\[[^]]* ?[0-9]+\/[0-9]+\] /)) {
            words = split(substr(name, 2, RLENGTH - 3), word, " ")
            for (w = 1; w < words; w++) {
                if (word[w] ~ /^[a-z0-9]+\//) platform = word[w]
                else if (w == 1 && count_of_targets > 1) target = word[w]
                else stage = word[w]
            }
            # One without a name cannot be built by itself. Most often it is the last one, the result.
            if (name !~ /^\[amikiln-part-/ && target != "" && stage != "" && stage !~ /^stage-[0-9]+$/) {
                print "stage " target " " stage
            }
        }
        count_of_words = split(name, word, " ")
        reference = word[count_of_words]
        sub(/^docker-image:\/\//, "", reference)
        if (reference ~ /^[^@\/]+(\/[^@]+)?@sha256:[0-9a-f]+$/) {
            sub(/->.*/, "", platform)
            print "image " reference (platform ~ /^linux\// ? " " platform : "")
        }
    }
}
