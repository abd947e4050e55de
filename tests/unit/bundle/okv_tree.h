/* A small OKV tree in the directory of a unit test, with a bundle, settings and a passphrase. */
#ifndef OKV_TESTS_UNIT_BUNDLE_TREE_H
#define OKV_TESTS_UNIT_BUNDLE_TREE_H

#include "unit.h"

#include "bundle/act.h"
#include "bundle/sealed.h"
#include "conf/settings.h"

#define TREE_HSM    "usr/local/okv/hsm"
#define TREE_BUNDLE TREE_HSM "/hsmbundle"

static inline void tree_make(int dir)
{
	static const char *const directories[] = { "etc",       "tmp",           "var",   "var/tmp",      "root",
						   "home",      "home/support",  "opt",   "opt/okv-luna", "usr",
						   "usr/local", "usr/local/okv", TREE_HSM };

	for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++)
		unit_dir(dir, directories[i], 0755);
	unit_dir(dir, "opt/okv-luna/var", 0700);
	unit_write(dir, "etc/passwd",
		   "root:x:0:0::/root:/bin/sh\noracle:x:1001:1001::/var/lib/oracle:/bin/sh\n"
		   "support:x:1002:1002::/home/support:/bin/sh\n",
		   0644);
	unit_write(dir, "etc/group", "root:x:0:\noinstall:x:1001:\n", 0644);
	unit_write(dir, "etc/hostname", "okv2\n", 0644);
}

static inline void tree_bundle(int dir, const char *bytes)
{
	unit_write(dir, TREE_BUNDLE, bytes, 0600);
	assert_int_equal(fchownat(dir, TREE_BUNDLE, 1001, 1001, 0), 0);
}

/* A passphrase as if it had been typed. */
static inline void tree_passphrase(struct bundle_secret *secret)
{
	static const char typed[] = "correct horse battery staple";

	memcpy(secret->passphrase, typed, sizeof(typed) - 1);
	secret->length = sizeof(typed) - 1;
}

static inline int tree_lock(void *holder, struct fault *f)
{
	(void)holder;
	(void)f;
	return 0;
}

/* An action in that tree, with the passphrase of its file "pass". */
struct tree_act {
	char pass[128];
	const char *operand;
	struct bundle_options options;
	struct settings settings;
	struct text lines, object;
	struct json result;
	struct bundle_act act;
};

static inline void tree_act_init(struct tree_act *t, const struct unit_place *place)
{
	struct fault f = { 0 };

	memset(t, 0, sizeof(*t));
	MUST(settings_init(&t->settings, &f));
	(void)snprintf(t->pass, sizeof(t->pass), "%s/pass", place->path);
	unit_write(place->dir, "pass", "correct horse battery staple\n", 0600);
	json_init(&t->result, &t->object);
	json_object_begin(&t->result, NULL);
	t->act = (struct bundle_act){ .root = place->dir,
				      .now = 1700000000,
				      .settings = &t->settings,
				      .options = &t->options,
				      .passphrase = { .file = t->pass, .fd = -1 },
				      .operands = &t->operand,
				      .operand_count = 1,
				      .lock = tree_lock,
				      .lines = &t->lines,
				      .result = &t->result };
}

static inline void tree_act_done(struct tree_act *t)
{
	settings_done(&t->settings);
	text_done(&t->lines);
	text_done(&t->object);
}

static inline bool tree_all_zero(const void *bytes, size_t length)
{
	const unsigned char *at = bytes;

	while (length > 0 && at[length - 1] == 0)
		length--;
	return length == 0;
}

#endif
