//go:build tools

// Package tools names the program that is built from the module in go.mod.
package tools

import _ "github.com/buildkite/agent/v3"
