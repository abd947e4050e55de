# Writes what `okv-luna slots --json` says the way `pkcs11-tool -T` does, so that the two can be compared line by
# line.  Flags come sorted by their words; tests/doubles/opensc.awk brings those of pkcs11-tool into the same order.
def hex: def digits: if . < 16 then [.] else ((. / 16 | floor) | digits) + [. % 16] end;
	"0x" + (digits | map("0123456789abcdef"[.:. + 1]) | join(""));
def words: {
	LOGIN_REQUIRED: "login required", RNG: "rng", TOKEN_INITIALIZED: "token initialized",
	USER_PIN_INITIALIZED: "PIN initialized", WRITE_PROTECTED: "readonly",
	PROTECTED_AUTHENTICATION_PATH: "PIN pad present", USER_PIN_COUNT_LOW: "user PIN count low",
	USER_PIN_FINAL_TRY: "final user PIN try", USER_PIN_LOCKED: "user PIN locked",
	USER_PIN_TO_BE_CHANGED: "user PIN to be changed", SO_PIN_COUNT_LOW: "SO PIN count low",
	SO_PIN_FINAL_TRY: "final SO PIN try", SO_PIN_LOCKED: "SO PIN locked",
	SO_PIN_TO_BE_CHANGED: "SO PIN to be changed"
};
def others: { RESTORE_KEY_NOT_NEEDED: 32, CLOCK_ON_TOKEN: 64, DUAL_CRYPTO_OPERATIONS: 512 };
def flags: (map(words[.] // empty)
	+ (map(others[.] // empty) | add // 0 | if . > 0 then ["other flags=" + hex] else [] end)) | sort | join(", ");
.slots | to_entries[] | .key as $n | .value
	| "Slot \($n) (\(.id | hex)): \(.description)",
	if .present | not then "  (empty)"
	elif .token.rv != "CKR_OK" then "  (\(.token.rv))"
	elif .token.flags | index("TOKEN_INITIALIZED") | not then "  token state:   uninitialized"
	else .token |
		"  token label        : \(.label)",
		"  token manufacturer : \(.manufacturer)",
		"  token model        : \(.model)",
		"  token flags        : \(.flags | flags)",
		"  hardware version   : \(.hardware)",
		"  firmware version   : \(.firmware)",
		"  serial num         : \(.serial)",
		"  pin min/max        : \(.pin_least)/\(.pin_most)"
	end
