# What `pkcs11-tool -L` prints, without its chatter and with the flags of a token sorted (tests/doubles/opensc.jq).
# From 0.26 on it names each token by a URI, too, which says nothing new.
/^  uri / { next }
/^(Slot |  )/ {
	sub(/ +$/, " ")
	if (/^  token flags/) {
		n = split(substr($0, index($0, ": ") + 2), flag, ", ")
		for (i = 2; i <= n; i++)
			for (j = i; j > 1 && flag[j - 1] > flag[j]; j--) {
				kept = flag[j]
				flag[j] = flag[j - 1]
				flag[j - 1] = kept
			}
		line = "  token flags        : "
		for (i = 1; i <= n; i++)
			line = line (i > 1 ? ", " : "") flag[i]
		$0 = line
	}
	print
}
