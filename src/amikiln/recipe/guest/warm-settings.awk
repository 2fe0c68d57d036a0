# Reads what `docker buildx bake --print` writes, and prints what its targets say of not using what
# is there already:
#   TARGET pull
#   TARGET no-cache
#   TARGET no-cache-filter STAGE...
/^  "target": \{$/ { inside = 1 }
/^  \}/ { inside = 0 }
!inside { next }
/^    "[^"]+": \{/ { split($0, parts, "\""); target = parts[2] }
/^      "(pull|no-cache)": true/ { split($0, parts, "\""); print target, parts[2] }
/^      "no-cache-filter": \[/ { stages = ""; listing = 1; next }
listing && /^      \]/ { if (stages) print target, "no-cache-filter" stages; listing = 0 }
listing { split($0, parts, "\""); stages = stages " " parts[2] }
