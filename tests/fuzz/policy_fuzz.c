/* conf/policy with any bytes: a policy or one fault with file and line; what is taken gives bounded, stable states. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/text.h"
#include "conf/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool held)
{
	if (!held)
		abort();
}

/* A walk down one path, asking for every kind of entry at each step. */
static void walk(const struct policy *p, const char *const *names, size_t count)
{
	static const mode_t modes[] = { S_IFREG | 0644, S_IFREG | 06777, S_IFDIR | 02755, S_IFDIR, S_IFLNK | 0777 };
	struct policy_place place, below;

	policy_root(p, &place);
	must(!policy_set_any(&place.covers));
	for (size_t i = 0; i < count; i++) {
		policy_step(p, &place, names[i], &below);
		for (size_t k = 0; k < sizeof(modes) / sizeof(modes[0]); k++) {
			const struct policy_state now = { .uid = 5, .gid = 5, .mode = modes[k] };
			struct policy_state target, again;
			(void)policy_target(p, &below, &now, &target);
			must((target.mode & S_IFMT) == (now.mode & S_IFMT));
			/* Without "~" in play, what is at policy stays at policy. */
			bool masked = false;
			for (size_t rule = 0; rule < p->count; rule++)
				masked = masked || p->rules[rule].masked;
			(void)policy_target(p, &below, &target, &again);
			must(masked ||
			     (again.mode == target.mode && again.uid == target.uid && again.gid == target.gid));
			must(policy_set_any(&below.applies) || memcmp(&target, &now, sizeof(now)) == 0);
		}
		place = below;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct policy_setting settings[] = { { "CLIENT_DIR", "/c" },
							  { "HSM_GROUP", "hsm" },
							  { NULL, NULL } };
	static char users[] = "root:x:0:0::/root:/bin/sh\noracle:x:54321:54321::/home/oracle:/bin/sh\n",
		    groups[] = "root:x:0:\nhsm:x:986:\n";
	const struct text passwd = { .bytes = users, .length = strlen(users) };
	const struct text group = { .bytes = groups, .length = strlen(groups) };
	const struct policy_names accounts = { .settings = settings, .passwd = &passwd, .group = &group };
	static const char *const names[] = { "c", "data", "*", ".x", "a b" };
	POLICY_AUTO p = { 0 };
	TEXT_AUTO bytes = { 0 };
	struct fault f = { 0 };

	text_add(&bytes, data, size);
	if (policy_parse(&p, "policy", &bytes, &accounts, &f) < 0) {
		must(p.count == 0 && (f.kind == FAULT_REFUSED || f.errnum != 0));
		must(text_starts(f.text, "policy:"));
		return 0;
	}
	for (size_t i = 0; i < p.count; i++) {
		must(p.rules[i].count > 0 && p.rules[i].plain <= p.rules[i].count && p.rules[i].mode <= 07777);
		/* A path leads down and nowhere else. */
		for (size_t k = 0; k < p.rules[i].count; k++)
			must(p.rules[i].components[k][0] != '\0' && strcmp(p.rules[i].components[k], "..") != 0);
	}
	walk(&p, names, sizeof(names) / sizeof(names[0]));
	return 0;
}
