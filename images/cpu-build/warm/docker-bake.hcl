# What the image is warmed by on the local cloud: Lua, out of Debian's source package.

group "default" {
  targets = ["lua", "library"]
}

target "lua" {
  context    = "."
  dockerfile = "Dockerfile"
  target     = "lua"
}

target "library" {
  context    = "."
  dockerfile = "Dockerfile"
  target     = "library"
}
