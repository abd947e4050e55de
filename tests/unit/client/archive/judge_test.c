#include "client/archive/judge.h"
#include "base/text.h"
#include "unit.h"

static struct judge judge;

static int judge_new(void **state)
{
	const struct limits limits = LIMITS_DEFAULT;

	(void)state;
	judge = (struct judge)JUDGE_INIT(limits);
	return 0;
}

static int judge_end(void **state)
{
	(void)state;
	judge_done(&judge);
	return 0;
}

static int judged(enum member_type type, const char *name, const char *target, enum judge_layer layer,
		  enum judge_verdict *verdict, char *path, struct fault *f)
{
	const struct member m = { .type = type,
				  .name = (const unsigned char *)name,
				  .name_length = strlen(name),
				  .target = (const unsigned char *)target,
				  .target_length = target != NULL ? strlen(target) : 0,
				  .size = 10,
				  .mode = 0644 };

	judge.layer = layer;
	return judge_member(&judge, &m, path, verdict, f);
}

static void take(enum member_type type, const char *name, const char *target, const char *expected)
{
	char path[LIMITS_PATH + 1];
	enum judge_verdict verdict;
	struct fault f = { 0 };

	MUST(judged(type, name, target, 0, &verdict, path, &f));
	assert_int_equal(verdict, JUDGE_PLACE);
	assert_string_equal(path, expected);
}

static void refuse(enum member_type type, const char *name, const char *target, const char *words)
{
	char path[LIMITS_PATH + 1];
	enum judge_verdict verdict;
	struct fault f;

	MUST_FAIL(judged(type, name, target, 0, &verdict, path, &f), FAULT_REFUSED, words);
}

static void a_path_it_gives_is_relative_and_of_plain_components(void **state)
{
	static const struct {
		const char *name, *words;
	} bad[] = {
		{ "", "the name is empty" },
		{ "/etc/passwd", "an absolute name" },
		{ "..", "'..' in the name" },
		{ "a/../b", "'..' in the name" },
		{ "a/..", "'..' in the name" },
		{ "./../a", "'..' in the name" },
		{ "a//b", "an empty part or '.' inside the name" },
		{ "a/./b", "an empty part or '.' inside the name" },
		{ ".//../a", "'..' in the name" },
		{ "//a", "an absolute name" },
		{ "a/", "a slash at the end" },
		{ ".", "the name is the top directory itself" },
		{ "a\\b", "a backslash in the name" },
		{ "c:a", "a drive letter" },
	};
	enum judge_verdict verdict;
	char path[LIMITS_PATH + 1];
	struct fault f = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		refuse(MEMBER_FILE, bad[i].name, NULL, bad[i].words);
	take(MEMBER_DIRECTORY, "./d/", NULL, "d");
	take(MEMBER_FILE, "./d/f", NULL, "d/f");
	take(MEMBER_FILE, "...", NULL, "...");
	take(MEMBER_FILE, ".//e", NULL, "e");
	take(MEMBER_FILE, "././/./g", NULL, "g");
	MUST(judged(MEMBER_DIRECTORY, "./", NULL, 0, &verdict, path, &f));
	assert_int_equal(verdict, JUDGE_NOTHING);
	MUST(judged(MEMBER_DIRECTORY, "/", NULL, 0, &verdict, path, &f));
	assert_int_equal(verdict, JUDGE_NOTHING);
	refuse(MEMBER_FILE, "/", NULL, "an absolute name; pack it again");
	refuse(MEMBER_DIRECTORY, "//", NULL, "an absolute name; pack it again");
	refuse(MEMBER_DIRECTORY, "/d", NULL, "an absolute name; pack it again");
}

static void a_name_is_utf8_without_control_characters(void **state)
{
	static const char *const bad[] = { "a\nb",          "a\033[2J",      "a\x7f", "a\xc2\x85", "a\xe2\x80\xaezip",
					   "a\xef\xbb\xbf", "a\xe2\x80\x8b", "\xff",  "a\xc0\xaf", "\xed\xa0\x80" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		refuse(MEMBER_FILE, bad[i], NULL, i < 7 ? "control characters in the name" : "the name is not UTF-8");
	take(MEMBER_FILE, "Schl\xc3\xbcssel", NULL, "Schl\xc3\xbcssel");
}

static void names_have_limits(void **state)
{
	TEXT_AUTO part = { 0 };
	TEXT_AUTO deep = { 0 };
	TEXT_AUTO whole = { 0 };

	(void)state;
	for (unsigned i = 0; i < 256; i++)
		text_add_char(&part, 'p');
	refuse(MEMBER_FILE, part.bytes, NULL, "a part of the name is longer than 255 bytes");
	take(MEMBER_FILE, part.bytes + 1, NULL, part.bytes + 1);
	for (unsigned i = 0; i < 32; i++)
		text_add_string(&deep, "d/");
	text_add_string(&deep, "f");
	refuse(MEMBER_FILE, deep.bytes, NULL, "more than 32 directories deep");
	for (unsigned i = 0; i < 5; i++)
		text_add_format(&whole, "%s/", part.bytes + 10);
	text_add_string(&whole, "f");
	refuse(MEMBER_FILE, whole.bytes, NULL, "the name is longer than 1023 bytes");
}

static void a_name_is_given_once_also_when_case_is_ignored(void **state)
{
	(void)state;
	take(MEMBER_FILE, "a/File", NULL, "a/File");
	refuse(MEMBER_LINK, "a/File", "x", "the name occurs twice");
	refuse(MEMBER_HARD_LINK, "./a/File", "\xd0\x96", "not an earlier file of this archive");
	refuse(MEMBER_FILE, "a/fILE", NULL, "only in upper and lower case");
	refuse(MEMBER_FILE, "A/other", NULL, "only in upper and lower case");
	take(MEMBER_FILE, "\xc3\x84", NULL, "\xc3\x84");
	refuse(MEMBER_FILE, "\xc3\xa4", NULL, "only in upper and lower case");
	take(MEMBER_FILE, "\xd0\x96", NULL, "\xd0\x96");
	refuse(MEMBER_FILE, "\xd0\xb6", NULL, "only in upper and lower case");
}

static enum judge_verdict verdict_of(enum member_type type, const char *name, const char *target,
				     enum judge_layer layer)
{
	char path[LIMITS_PATH + 1];
	enum judge_verdict verdict;
	struct fault f = { 0 };

	MUST(judged(type, name, target, layer, &verdict, path, &f));
	return verdict;
}

/* As `tar -cf x T T/bin` does it. */
static void a_name_may_come_again_for_the_same_thing(void **state)
{
	struct member larger = { .name = (const unsigned char *)"d/f", .name_length = 3, .size = 11 };
	char path[LIMITS_PATH + 1];
	enum judge_verdict verdict;
	struct fault f;

	(void)state;
	take(MEMBER_DIRECTORY, "d/", NULL, "d");
	take(MEMBER_FILE, "d/f", NULL, "d/f");
	take(MEMBER_HARD_LINK, "d/h", "d/f", "d/h");
	take(MEMBER_LINK, "d/l", "f", "d/l");
	assert_int_equal(verdict_of(MEMBER_DIRECTORY, "d", NULL, JUDGE_OUTER), JUDGE_NOTHING);
	assert_int_equal(verdict_of(MEMBER_FILE, "d/f", NULL, JUDGE_OUTER), JUDGE_AGAIN);
	assert_int_equal(verdict_of(MEMBER_HARD_LINK, "d/f", "d/f", JUDGE_OUTER), JUDGE_NOTHING);
	assert_int_equal(verdict_of(MEMBER_HARD_LINK, "d/h", "d/f", JUDGE_OUTER), JUDGE_NOTHING);
	assert_int_equal(verdict_of(MEMBER_LINK, "d/l", "f", JUDGE_OUTER), JUDGE_NOTHING);
	assert_int_equal(verdict_of(MEMBER_HARD_LINK, "./d/l", "d/l", JUDGE_OUTER), JUDGE_NOTHING);
	refuse(MEMBER_HARD_LINK, "d/k", "d/l", "not an earlier file of this archive");
	refuse(MEMBER_LINK, "d/l", "h", "the name occurs twice, for different things");
	refuse(MEMBER_LINK, "d/f", "h", "the name occurs twice, for different things");
	refuse(MEMBER_FILE, "d/l", NULL, "the name occurs twice, for different things");
	refuse(MEMBER_ARCHIVE, "d/f", NULL, "the name occurs twice, for different things");
	MUST_FAIL(judge_member(&judge, &larger, path, &verdict, &f), FAULT_REFUSED,
		  "the name occurs twice, for different things");
}

static void no_part_of_a_path_but_the_last_is_anything_but_a_directory(void **state)
{
	(void)state;
	take(MEMBER_FILE, "f", NULL, "f");
	refuse(MEMBER_FILE, "f/x", NULL, "a file where a directory must be");
	take(MEMBER_LINK, "l", "f", "l");
	refuse(MEMBER_FILE, "l/x", NULL, "the name passes through a link");
	take(MEMBER_FILE, "d/x", NULL, "d/x");
	refuse(MEMBER_FILE, "d", NULL, "a file where a directory must be");
	refuse(MEMBER_LINK, "d", "f", "a file where a directory must be");
	refuse(MEMBER_DIRECTORY, "f", NULL, "a directory where a file is");
}

static void what_is_no_file_directory_or_link_is_refused(void **state)
{
	struct member m = { .type = MEMBER_FILE, .name = (const unsigned char *)"a", .name_length = 1 };
	char path[LIMITS_PATH + 1];
	enum judge_verdict verdict;
	struct fault f;

	(void)state;
	refuse(MEMBER_DEVICE, "a", NULL, "a device");
	refuse(MEMBER_FIFO, "a", NULL, "a FIFO");
	refuse(MEMBER_SOCKET, "a", NULL, "a socket");
	refuse(MEMBER_SPARSE, "a", NULL, "a sparse file");
	refuse(MEMBER_UNKNOWN, "a", NULL, "an unknown type");
	for (m.mode = 02000; m.mode <= 04000; m.mode <<= 1)
		MUST_FAIL(judge_member(&judge, &m, path, &verdict, &f), FAULT_REFUSED, "set-id bits on a file");
	/* A client in use has directories so. */
	m.type = MEMBER_DIRECTORY;
	m.mode = 02770;
	MUST(judge_member(&judge, &m, path, &verdict, &f));
}

static void a_hard_link_names_a_file_before_it_never_another_hard_link(void **state)
{
	(void)state;
	take(MEMBER_FILE, "d/f", NULL, "d/f");
	refuse(MEMBER_HARD_LINK, "h1", "/etc/passwd", "an absolute name");
	refuse(MEMBER_HARD_LINK, "h2", "../f", "'..' in the name");
	refuse(MEMBER_HARD_LINK, "h3", "later", "not an earlier file of this archive");
	refuse(MEMBER_HARD_LINK, "h4", "d", "not an earlier file of this archive");
	refuse(MEMBER_HARD_LINK, "h5", "h5", "not an earlier file of this archive");
	take(MEMBER_HARD_LINK, "h", "./d/f", "h");
	assert_string_equal(judge_target(&judge, "h"), "d/f");
	take(MEMBER_HARD_LINK, "again", "h", "again");
	assert_string_equal(judge_target(&judge, "again"), "d/f");
	take(MEMBER_LINK, "l", "d/f", "l");
	refuse(MEMBER_HARD_LINK, "h6", "l", "not an earlier file of this archive");
}

static void links_end(const char *words)
{
	struct fault f = { 0 };

	if (words == NULL)
		MUST(judge_links(&judge, "", &f));
	else
		MUST_FAIL(judge_links(&judge, "", &f), FAULT_REFUSED, words);
}

static void every_link_leads_to_something_in_the_tree(void **state)
{
	(void)state;
	refuse(MEMBER_LINK, "l0", "/etc", "a link to an absolute path");
	refuse(MEMBER_LINK, "l1", "../x", "a link that leads out of the tree");
	refuse(MEMBER_LINK, "d/l2", "../../x", "a link that leads out of the tree");
	refuse(MEMBER_LINK, "l3", "", "a link to nothing");
	refuse(MEMBER_LINK, "l4", "a\nb", "control characters");
	take(MEMBER_LINK, "d/good", "../f", "d/good");
	take(MEMBER_LINK, "chain", "d/good", "chain");
	take(MEMBER_FILE, "f", NULL, "f");
	links_end(NULL);
	take(MEMBER_LINK, "dangling", "nowhere", "dangling");
	links_end("'dangling': a link to 'nowhere', which the archive does not hold");
}

static void no_link_leads_through_another_one(void **state)
{
	(void)state;
	take(MEMBER_FILE, "d/f", NULL, "d/f");
	take(MEMBER_LINK, "to-d", "d", "to-d");
	links_end(NULL);
	take(MEMBER_LINK, "through", "to-d/f", "through");
	links_end("'through': a link that leads through another link");
}

static void dots_after_a_link_or_file_are_a_lie(void **state)
{
	(void)state;
	take(MEMBER_FILE, "d/f", NULL, "d/f");
	take(MEMBER_FILE, "g", NULL, "g");
	take(MEMBER_LINK, "lie", "d/f/../../g", "lie");
	links_end("'lie': a link that leads through another link, or through something that is not a directory");
}

static void links_that_go_round_are_refused(void **state)
{
	(void)state;
	take(MEMBER_LINK, "a", "b", "a");
	take(MEMBER_LINK, "b", "a", "b");
	links_end("too many levels of links");
}

static void a_link_to_a_directory_that_holds_it_is_refused(void **state)
{
	(void)state;
	take(MEMBER_FILE, "d/f", NULL, "d/f");
	take(MEMBER_LINK, "d/up", ".", "d/up");
	links_end("a link to a directory that holds it");
}

static void an_inner_archive_wins_over_the_outer_one(void **state)
{
	char path[LIMITS_PATH + 1];
	enum judge_verdict verdict;
	struct fault f;

	(void)state;
	assert_int_equal(verdict_of(MEMBER_FILE, "Chrystoki.conf", NULL, JUDGE_INNER), JUDGE_PLACE);
	assert_int_equal(verdict_of(MEMBER_FILE, "Chrystoki.conf", NULL, JUDGE_OUTER), JUDGE_COVERED);
	assert_int_equal(verdict_of(MEMBER_FILE, "setenv", NULL, JUDGE_OUTER), JUDGE_PLACE);
	assert_int_equal(verdict_of(MEMBER_FILE, "setenv", NULL, JUDGE_INNER), JUDGE_REPLACE);
	assert_int_equal(verdict_of(MEMBER_FILE, "setenv", NULL, JUDGE_OUTER), JUDGE_COVERED);
	assert_int_equal(verdict_of(MEMBER_LINK, "l", "setenv", JUDGE_OUTER), JUDGE_PLACE);
	MUST_FAIL(judged(MEMBER_FILE, "l", NULL, JUDGE_INNER, &verdict, path, &f), FAULT_REFUSED,
		  "the name occurs twice, for different things");
}

static void an_absolute_link_into_the_clients_own_place_becomes_a_relative_one(void **state)
{
	struct fault f = { 0 };

	(void)state;
	judge.own_place = "/usr/safenet/lunaclient";
	take(MEMBER_FILE, "top/libs/64/lib.so", NULL, "top/libs/64/lib.so");
	take(MEMBER_LINK, "top/lib/lib.so", "/usr/safenet/lunaclient/libs/64/lib.so", "top/lib/lib.so");
	take(MEMBER_LINK, "top/now", "/usr/safenet/lunaclient/lib/lib.so", "top/now");
	refuse(MEMBER_LINK, "top/a", "/usr/safenet/lunaclient", "a link to an absolute path");
	refuse(MEMBER_LINK, "top/b", "/usr/safenet/lunaclients/x", "a link to an absolute path");
	refuse(MEMBER_LINK, "top/c", "/etc/passwd",
	       "outside the client's directory '/usr/safenet/lunaclient'; make it relative");
	MUST(judge_links(&judge, "top/", &f));
	assert_string_equal(judge_target(&judge, "top/lib/lib.so"), "../libs/64/lib.so");
	assert_string_equal(judge_target(&judge, "top/now"), "lib/lib.so");
	take(MEMBER_LINK, "top/out", "/usr/safenet/lunaclient/../../../etc/passwd", "top/out");
	MUST_FAIL(judge_links(&judge, "top/", &f), FAULT_REFUSED, "'top/out': a link that leads out of the tree");
}

static void sums_are_limited_and_a_copy_counts(void **state)
{
	(void)state;
	judge.limits.bytes = 25;
	take(MEMBER_FILE, "a", NULL, "a");
	take(MEMBER_HARD_LINK, "b", "a", "b");
	refuse(MEMBER_HARD_LINK, "c", "a", "larger unpacked than --max-bytes allows (25)");
	judge.limits.bytes = 1000;
	judge.limits.entries = 5;
	take(MEMBER_FILE, "d/e", NULL, "d/e");
	refuse(MEMBER_FILE, "f", NULL, "more entries than --max-entries allows (5)");
}

static void a_file_that_holds_only_a_members_name_was_a_link(void **state)
{
	static const struct {
		const char *content;
		bool lost;
	} files[] = { { "e", true },          { "../d/e", true },      { "/own/d/e", true }, { "../d", false },
		      { "e\n", false },       { "none", false },       { "", false },        { "../../d/e", false },
		      { "/own/none", false }, { "the file e", false }, { "/d/e", false },    { "./", false } };
	struct fault f = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		judge.own_place = "/own";
		take(MEMBER_FILE, "d/e", NULL, "d/e");
		take(MEMBER_FILE, "d/f", files[i].content, "d/f");
		if (files[i].lost)
			MUST_FAIL(judge_links(&judge, "", &f), FAULT_REFUSED,
				  "member 'd/f': a file that holds only the name of 'd");
		else
			MUST(judge_links(&judge, "", &f));
		judge_done(&judge);
		f = (struct fault){ 0 };
	}
}

#define JUDGED(test) cmocka_unit_test_setup_teardown(test, judge_new, judge_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		JUDGED(a_path_it_gives_is_relative_and_of_plain_components),
		JUDGED(a_name_is_utf8_without_control_characters),
		JUDGED(names_have_limits),
		JUDGED(a_name_is_given_once_also_when_case_is_ignored),
		JUDGED(no_part_of_a_path_but_the_last_is_anything_but_a_directory),
		JUDGED(what_is_no_file_directory_or_link_is_refused),
		JUDGED(a_hard_link_names_a_file_before_it_never_another_hard_link),
		JUDGED(every_link_leads_to_something_in_the_tree),
		JUDGED(no_link_leads_through_another_one),
		JUDGED(dots_after_a_link_or_file_are_a_lie),
		JUDGED(links_that_go_round_are_refused),
		JUDGED(a_link_to_a_directory_that_holds_it_is_refused),
		JUDGED(an_inner_archive_wins_over_the_outer_one),
		JUDGED(a_name_may_come_again_for_the_same_thing),
		JUDGED(an_absolute_link_into_the_clients_own_place_becomes_a_relative_one),
		JUDGED(a_file_that_holds_only_a_members_name_was_a_link),
		JUDGED(sums_are_limited_and_a_copy_counts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
