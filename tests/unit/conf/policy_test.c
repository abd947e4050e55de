#include "base/text.h"
#include "conf/policy.h"
#include "unit.h"

#define FILE_OF(bytes_) \
	{ \
		.bytes = (bytes_), .length = sizeof(bytes_) - 1 \
	}

static char users[] = "root:x:0:0::/root:/bin/sh\noracle:x:54321:54321::/home/oracle:/bin/sh\n";
static char groups[] = "root:x:0:\nhsmusers:x:986:\n";
static const struct text passwd = FILE_OF(users), group = FILE_OF(groups);
static const struct policy_setting settings[] = {
	{ "CLIENT_DIR", "/c" }, { "HSM_GROUP", "hsmusers" }, { "PLAIN", "relative" }, { NULL, NULL }
};
static const struct policy_names names = { .settings = settings, .passwd = &passwd, .group = &group };

static int parse_bytes(struct policy *p, const char *file, const char *bytes, size_t length, struct fault *f)
{
	TEXT_AUTO text = { 0 };

	text_add(&text, bytes, length);
	return policy_parse(p, file, &text, &names, f);
}

static void parse(struct policy *p, const char *bytes)
{
	struct fault f = { 0 };

	if (parse_bytes(p, "p.conf", bytes, strlen(bytes), &f) < 0)
		fail_msg("%s", f.text);
}

/* The state that an entry of that type and mode gets, owned by 7:7 before. */
static struct policy_state apply(const struct policy *p, const char *path, mode_t mode)
{
	struct policy_place place, below;
	struct policy_state now = { .uid = 7, .gid = 7, .mode = mode }, target;
	char copy[256];

	policy_root(p, &place);
	(void)snprintf(copy, sizeof(copy), "%s", path);
	for (char *rest, *name = strtok_r(copy, "/", &rest); name != NULL; name = strtok_r(NULL, "/", &rest)) {
		policy_step(p, &place, name, &below);
		place = below;
	}
	(void)policy_target(p, &place, &now, &target);
	return target;
}

static void assert_refused(const char *bytes, size_t length, const char *part)
{
	POLICY_AUTO p = { 0 };
	struct fault f = { 0 };

	assert_int_equal(parse_bytes(&p, "p.conf", bytes, length, &f), -1);
	assert_int_equal(f.kind, FAULT_REFUSED);
	if (strstr(f.text, part) == NULL)
		fail_msg("'%s' lacks '%s'", f.text, part);
}

static void breaking_a_rule_is_refused_with_file_and_line(void **state)
{
	(void)state;
	static const struct {
		const char *line, *part;
	} cases[] = {
		{ "x /a 0644", "unknown type 'x'" },
		{ "zz /a 0644", "unknown type" },
		{ "zq /a 0644", "unknown type" },
		{ "zff /a 0644", "unknown type" },
		{ "Zfd /a 0644", "files only and to directories only" },
		{ "z", "not absolute" },
		{ "z a/b 0644", "not absolute" },
		{ "z %{PLAIN}/b 0644", "not absolute" },
		{ "z / 0644", "may not apply to '/'" },
		{ "z /a/../b 0644", "'.' or '..'" },
		{ "z /a/./b 0644", "'.' or '..'" },
		{ "z /a/{b,c} 0644", "braces" },
		{ "z /a 0648", "mode" },
		{ "z /a 77777", "mode" },
		{ "z /a 07", "mode" },
		{ "z /a u+x", "mode" },
		{ "z /a :0644", "mode" },
		{ "z /a ~", "mode" },
		{ "z /a 0644 nobody", "unknown user 'nobody'" },
		{ "z /a 0644 root nogroup", "unknown group 'nogroup'" },
		{ "z /a 0644 4294967295", "user" },
		{ "z /a 0644 root 4294967295", "group" },
		{ "z /a 0644 root root 10d", "age" },
		{ "z /a 0644 root root - x", "age and argument" },
		{ "z /a 0644 root root - - -", "more than 7 fields" },
		{ "zk /a - root", "'k' needs a mode" },
		{ "zk /a ~0644 root", "'k' needs a mode" },
		{ "z \"/a 0644", "quote is not closed" },
		{ "z /a\\ b 0644", "backslash" },
		{ "z %{NOTHING}/a 0644", "unknown setting 'NOTHING'" },
		{ "z %C/a 0644", "'%'" },
		{ "z /a% 0644", "'%'" },
		{ "z /a 0644\r", "carriage return" },
		{ "z /a\x01 0644", "control byte" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		TEXT_AUTO file = { 0 };
		text_add_format(&file, "# one\n\n%s\n", cases[i].line);
		assert_refused(text_string(&file), file.length, cases[i].part);
		assert_refused(text_string(&file), file.length, "p.conf:3: ");
	}
	assert_refused("z /a\0b 0644\n", 12, "p.conf:1: a NUL byte");
}

static void a_line_of_the_limit_is_refused_and_one_byte_less_is_not(void **state)
{
	(void)state;
	POLICY_AUTO p = { 0 };
	TEXT_AUTO line = { 0 };

	text_add_string(&line, "z /");
	while (line.length < POLICY_LINE_MAX - 6)
		text_add_string(&line, line.length % 200 == 199 ? "/" : "a");
	text_add_string(&line, " 0644");
	assert_int_equal(line.length, POLICY_LINE_MAX - 1);
	parse(&p, text_string(&line));
	assert_int_equal(p.count, 1);
	text_add_char(&line, ' ');
	assert_refused(text_string(&line), line.length, "p.conf:1: the line has 4096 bytes");
}

static void too_many_rules_or_components_are_refused(void **state)
{
	(void)state;
	TEXT_AUTO rules = { 0 };
	TEXT_AUTO deep = { 0 };

	for (int i = 0; i <= POLICY_RULES_MAX; i++)
		text_add_string(&rules, "z /a 0644\n");
	assert_refused(text_string(&rules), rules.length, "p.conf:257: more than 256 rules");
	text_add_string(&deep, "z ");
	for (int i = 0; i <= POLICY_COMPONENTS_MAX; i++)
		text_add_string(&deep, "/a");
	assert_refused(text_string(&deep), deep.length, "more than 64 components");
}

static void a_flaw_leaves_the_policy_as_it_was(void **state)
{
	(void)state;
	POLICY_AUTO p = { 0 };
	struct fault f = { 0 };
	static const char bad[] = "z /b 0600\nz /c 0600\nz d 0600\n";

	parse(&p, "z /a 0644\n");
	assert_int_equal(parse_bytes(&p, "q", bad, strlen(bad), &f), -1);
	assert_int_equal(p.count, 1);
	assert_int_equal(apply(&p, "/a", S_IFREG | 0600).mode, S_IFREG | 0644);
}

/* Entries of 7:7, before and after. */
static void a_policy_makes_of_an_entry_what_its_grammar_says(void **state)
{
	static const struct {
		const char *policy, *path;
		mode_t mode;
		struct policy_state wanted;
	} rows[] = {
		/* comments, blanks and quotes are read */
		{ "# z /x 0777\n\t \n   # z /y 0777\n  z\t\"/a b\"  0640 'root' \"%{HSM_GROUP}\"\nz /p%%q 0600",
		  "/a b",
		  S_IFREG | 0777,
		  { 0, 986, S_IFREG | 0640 } },
		{ "# z /x 0777\n\t \n   # z /y 0777\n  z\t\"/a b\"  0640 'root' \"%{HSM_GROUP}\"\nz /p%%q 0600",
		  "/p%q",
		  S_IFREG | 0777,
		  { 7, 7, S_IFREG | 0600 } },
		{ "# z /x 0777\n\t \n   # z /y 0777\n  z\t\"/a b\"  0640 'root' \"%{HSM_GROUP}\"\nz /p%%q 0600",
		  "/x",
		  S_IFREG | 0644,
		  { 7, 7, S_IFREG | 0644 } },
		{ "# z /x 0777\n\t \n   # z /y 0777\n  z\t\"/a b\"  0640 'root' \"%{HSM_GROUP}\"\nz /p%%q 0600",
		  "/y",
		  S_IFREG | 0644,
		  { 7, 7, S_IFREG | 0644 } },
		/* a dash, or nothing, leaves a thing as it is */
		{ "z /a - - hsmusers\nz /b 0640\nz /c\n", "/a", S_IFREG | 06123, { 7, 986, S_IFREG | 06123 } },
		{ "z /a - - hsmusers\nz /b 0640\nz /c\n", "/b", S_IFREG | 0123, { 7, 7, S_IFREG | 0640 } },
		{ "z /a - - hsmusers\nz /b 0640\nz /c\n", "/c", S_IFREG | 0123, { 7, 7, S_IFREG | 0123 } },
		/* numbers are ids */
		{ "z /a - 12 4294967294\n", "/a", S_IFREG | 0, { 12, 4294967294U, S_IFREG | 0 } },
		/* z is the entry, and Z everything below it too */
		{ "z /a 0600\nZ /b 0600\n", "/a", S_IFDIR | 0755, { 7, 7, S_IFDIR | 0600 } },
		{ "z /a 0600\nZ /b 0600\n", "/a/x", S_IFREG | 0755, { 7, 7, S_IFREG | 0755 } },
		{ "z /a 0600\nZ /b 0600\n", "/b", S_IFDIR | 0755, { 7, 7, S_IFDIR | 0600 } },
		{ "z /a 0600\nZ /b 0600\n", "/b/x/y/z", S_IFREG | 0755, { 7, 7, S_IFREG | 0600 } },
		{ "z /a 0600\nZ /b 0600\n", "/bb", S_IFREG | 0755, { 7, 7, S_IFREG | 0755 } },
		/* wildcards match no leading dot and no slash */
		{ "z %{CLIENT_DIR}/*/[ab]?.pem 0600\n", "/c/x/a1.pem", S_IFREG | 0755, { 7, 7, S_IFREG | 0600 } },
		{ "z %{CLIENT_DIR}/*/[ab]?.pem 0600\n", "/c/x/c1.pem", S_IFREG | 0755, { 7, 7, S_IFREG | 0755 } },
		{ "z %{CLIENT_DIR}/*/[ab]?.pem 0600\n", "/c/.x/a1.pem", S_IFREG | 0755, { 7, 7, S_IFREG | 0755 } },
		{ "z %{CLIENT_DIR}/*/[ab]?.pem 0600\n", "/c/x/y/a1.pem", S_IFREG | 0755, { 7, 7, S_IFREG | 0755 } },
		{ "Z /d/* 0600", "/d/.hidden/x", S_IFREG | 0755, { 7, 7, S_IFREG | 0755 } },
		{ "Z /d/* 0600", "/d/x/.hidden", S_IFREG | 0755, { 7, 7, S_IFREG | 0600 } },
		/* letters tell files from directories */
		{ "Zd /a 2750\nZf /a 0640\n", "/a/x", S_IFDIR | 0777, { 7, 7, S_IFDIR | 02750 } },
		{ "Zd /a 2750\nZf /a 0640\n", "/a/x", S_IFREG | 0777, { 7, 7, S_IFREG | 0640 } },
		/* a mode is set exactly, and k keeps set-ids of directories */
		{ "z /a 0755", "/a", S_IFDIR | 07777, { 7, 7, S_IFDIR | 0755 } },
		{ "zk /a 0755", "/a", S_IFDIR | 07777, { 7, 7, S_IFDIR | 06755 } },
		{ "zk /a 0755", "/a", S_IFDIR | 01700, { 7, 7, S_IFDIR | 0755 } },
		{ "zk /a 2770", "/a", S_IFDIR | 04700, { 7, 7, S_IFDIR | 06770 } },
		{ "zk /a 0755", "/a", S_IFREG | 06777, { 7, 7, S_IFREG | 0755 } },
		/* a tilde gives only bits of a kind that is there */
		{ "z /a ~0755", "/a", S_IFREG | 0644, { 7, 7, S_IFREG | 0644 } },
		{ "z /a ~0755", "/a", S_IFREG | 0100, { 7, 7, S_IFREG | 0111 } },
		{ "z /a ~0755", "/a", S_IFREG | 0444, { 7, 7, S_IFREG | 0444 } },
		{ "z /a ~7777", "/a", S_IFREG | 0700, { 7, 7, S_IFREG | 0777 } },
		{ "z /a ~2770", "/a", S_IFDIR | 0700, { 7, 7, S_IFDIR | 02770 } },
		/* later lines are applied to the result of earlier ones */
		{ "z /a 0600\nz /a 0644", "/a", S_IFREG | 0777, { 7, 7, S_IFREG | 0644 } },
		{ "z /a/* 0664\nZ /a 2770", "/a/x", S_IFREG | 0777, { 7, 7, S_IFREG | 02770 } },
		{ "z /a 0600\nz /a ~0755", "/a", S_IFREG | 0777, { 7, 7, S_IFREG | 0644 } },
		{ "Zk /a 2770\nzk /a/* 0664", "/a/d", S_IFDIR | 0755, { 7, 7, S_IFDIR | 02664 } },
		/* links and special files stay */
		{ "Z /a 0600 root root\n", "/a/x", S_IFLNK | 0777, { 7, 7, S_IFLNK | 0777 } },
		{ "Z /a 0600 root root\n", "/a/x", S_IFIFO | 0644, { 7, 7, S_IFIFO | 0644 } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		POLICY_AUTO p = { 0 };
		parse(&p, rows[i].policy);
		const struct policy_state target = apply(&p, rows[i].path, rows[i].mode);
		if (target.mode != rows[i].wanted.mode || target.uid != rows[i].wanted.uid ||
		    target.gid != rows[i].wanted.gid)
			fail_msg("'%s' makes of %s %06o: %u:%u %06o", rows[i].policy, rows[i].path, rows[i].mode,
				 target.uid, target.gid, target.mode);
	}
}

static void a_mark_covers_a_path_whatever_its_bytes(void **state)
{
	(void)state;
	POLICY_AUTO p = { 0 };
	struct fault f = { 0 };
	struct policy_place root, star, other;

	assert_int_equal(policy_mark(&p, "/*", &f), 0);
	policy_root(&p, &root);
	assert_true(policy_reaches(&root));
	policy_step(&p, &root, "*", &star);
	policy_step(&p, &root, "x", &other);
	assert_true(policy_set_any(&star.covers));
	assert_false(policy_reaches(&other));
}

/* Rules past the first word of the bit set count like the others. */
static void every_rule_of_many_counts(void **state)
{
	(void)state;
	POLICY_AUTO p = { 0 };
	TEXT_AUTO rules = { 0 };

	for (int i = 0; i < POLICY_RULES_MAX; i++)
		text_add_format(&rules, "z /a/f%d 0%03o\n", i, (unsigned)i);
	parse(&p, text_string(&rules));
	for (int i = 0; i < POLICY_RULES_MAX; i++) {
		char path[32];
		(void)snprintf(path, sizeof(path), "/a/f%d", i);
		assert_int_equal(apply(&p, path, S_IFREG | 0777).mode, S_IFREG | (mode_t)i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(breaking_a_rule_is_refused_with_file_and_line),
		cmocka_unit_test(a_line_of_the_limit_is_refused_and_one_byte_less_is_not),
		cmocka_unit_test(too_many_rules_or_components_are_refused),
		cmocka_unit_test(a_flaw_leaves_the_policy_as_it_was),
		cmocka_unit_test(a_policy_makes_of_an_entry_what_its_grammar_says),
		cmocka_unit_test(a_mark_covers_a_path_whatever_its_bytes),
		cmocka_unit_test(every_rule_of_many_counts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
