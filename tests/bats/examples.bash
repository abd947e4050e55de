# shellcheck shell=bash
# The examples of the manual's pages.

# examples PAGE: "NEEDS|COMMAND" for each command of its EXAMPLES, lines that go on joined.
examples() {
	awk '
		/^\.Sh / { here = /^\.Sh EXAMPLES/; needs = "" }
		!here { next }
		/^\.\\" Needs / { needs = substr($0, 5); next }
		/^\.Bd/ { block = 1; next }
		/^\.Ed/ { block = 0; needs = ""; next }
		/^\.Dl / { line = substr($0, 5); single = 1 }
		block { line = $0; single = 0 }
		!block && !/^\.Dl / { next }
		{
			if (more) { sub(/^ +/, "", line); line = kept " " line }
			more = sub(/ *\\e$/, "", line)
			if (more) { kept = line; next }
			if (line ~ /^(# )?okv-luna /) { sub(/^# /, "", line); print needs "|" line }
			if (single) needs = ""
		}' "$1"
}
