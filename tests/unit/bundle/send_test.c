/* bundle/send: how a node is written, the arguments of ssh, and a node's answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bundle/send.c"

static void a_node_is_user_host_and_port(void **state)
{
	static const struct {
		const char *node, *user, *host;
		unsigned port;
	} good[] = {
		{ "okv1", "", "okv1", 0 },
		{ "support@okv1.example.com", "support", "okv1.example.com", 0 },
		{ "okv1:2222", "", "okv1", 2222 },
		{ "a.b-c_d@192.0.2.1:22", "a.b-c_d", "192.0.2.1", 22 },
		{ "2001:db8::1", "", "2001:db8::1", 0 },
		{ "[2001:db8::1]", "", "2001:db8::1", 0 },
		{ "u@[2001:db8::1]:65535", "u", "2001:db8::1", 65535 },
		{ "[fe80::1%eth0]:1", "", "fe80::1%eth0", 1 },
		{ "u@fe80::1%eth0", "u", "fe80::1%eth0", 0 },
		{ "[okv1]:22", "", "okv1", 22 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct target t;
		struct fault f = { 0 };
		if (target_parse(good[i].node, &t, &f) < 0)
			fail_msg("%s", f.text);
		assert_string_equal(t.user, good[i].user);
		assert_string_equal(t.host, good[i].host);
		assert_int_equal(t.port, good[i].port);
		assert_string_equal(t.node, good[i].node);
	}
}

static void what_could_be_an_option_or_reach_a_shell_is_no_node(void **state)
{
	static const char *const bad[] = { "",        "-v",       "-oProxyCommand=id",
					   "u@-v",    "-l@h",     "@h",
					   "u@",      "a b",      "a;b",
					   "a'b",     "$(id)",    "`id`",
					   "a/b",     "a\nb",     "[::1",
					   "[::1]22", "[]",       "[]:22",
					   "[-x]",    "h:",       "h:0",
					   "h:65536", "h:-1",     "h:2a",
					   "u@v@h",   "h\xc3\xa4" };
	char longest[400];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct target t = { .port = 77 };
		struct fault f = { 0 };
		if (target_parse(bad[i], &t, &f) == 0)
			fail_msg("taken: %s", bad[i]);
		assert_int_equal(f.kind, FAULT_USAGE);
		assert_int_equal(t.port, 77);
	}
	for (size_t length = 255; length <= 256; length++) {
		struct target t;
		struct fault f = { 0 };
		memset(longest, 'h', length);
		longest[length] = '\0';
		assert_int_equal(target_parse(longest, &t, &f), length == 255 ? 0 : -1);
	}
}

/* The position of `word`. */
static size_t place_of(const struct ssh_words *w, const char *word)
{
	size_t i = 0;

	while (w->words[i] != NULL && strcmp(w->words[i], word) != 0)
		i++;
	if (w->words[i] == NULL)
		fail_msg("no word '%s'", word);
	return i;
}

static void host_keys_are_checked_before_anything_the_caller_says(void **state)
{
	const char *items[] = { "UserKnownHostsFile=x", "ConnectTimeout=1" };
	const struct option_list options = { .items = items, .count = 2 };
	struct ssh ssh = { .user = "support", .port = 2222, .identity = "key", .options = &options };
	const struct target target = { .node = "n", .user = "", .host = "okv1" };
	struct ssh_words w;
	struct fault f = { 0 };

	(void)state;
	assert_int_equal(ssh_words(&ssh, &target, "command", &w, &f), 0);
	assert_string_equal(w.words[0], "/usr/bin/ssh");
	assert_true(place_of(&w, "StrictHostKeyChecking=yes") < place_of(&w, "UserKnownHostsFile=x"));
	assert_true(place_of(&w, "BatchMode=yes") < place_of(&w, "UserKnownHostsFile=x"));
	assert_true(place_of(&w, "ConnectTimeout=1") < place_of(&w, "ConnectTimeout=15"));
	assert_string_equal(w.words[place_of(&w, "-p") + 1], "2222");
	assert_string_equal(w.words[place_of(&w, "-i") + 1], "key");
	assert_string_equal(w.words[place_of(&w, "-l") + 1], "support");
	assert_string_equal(w.words[place_of(&w, "--") + 1], "okv1");
	assert_string_equal(w.words[place_of(&w, "--") + 2], "command");
	assert_null(w.words[place_of(&w, "--") + 3]);

	ssh.ask = true;
	assert_int_equal(ssh_words(&ssh, &target, "command", &w, &f), 0);
	(void)place_of(&w, "StrictHostKeyChecking=ask");
	(void)place_of(&w, "BatchMode=no");
}

static void a_nodes_own_user_and_port_come_first(void **state)
{
	const struct ssh ssh = { .user = "support", .port = 2222 };
	const struct target target = { .node = "n", .user = "me", .host = "okv1", .port = 22 };
	struct ssh_words w;
	struct fault f = { 0 };

	(void)state;
	assert_int_equal(ssh_words(&ssh, &target, "command", &w, &f), 0);
	assert_string_equal(w.words[place_of(&w, "-p") + 1], "22");
	assert_string_equal(w.words[place_of(&w, "-l") + 1], "me");
}

static void more_options_than_there_is_room_for_are_refused(void **state)
{
	const char *items[SSH_WORDS_MAX];
	struct option_list options = { .items = items };
	const struct ssh ssh = { .user = "support", .options = &options };
	const struct target target = { .node = "n", .host = "okv1" };
	bool refused = false;

	(void)state;
	for (options.count = 0; options.count < SSH_WORDS_MAX; options.count++) {
		struct ssh_words w;
		struct fault f = { 0 };
		const bool fits = ssh_words(&ssh, &target, "command", &w, &f) == 0;
		assert_false(fits && refused);
		refused = !fits;
		if (refused)
			assert_int_equal(f.kind, FAULT_USAGE);
		else
			assert_string_equal(w.words[place_of(&w, "--") + 2], "command");
		items[options.count] = "A=b";
	}
	assert_true(refused);
}

static void the_nodes_command_has_no_single_quote_inside(void **state)
{
	TEXT_AUTO command = { 0 };

	(void)state;
	receive_command(&command, "/tmp/hsmbundle-00.okvb", 12345);
	const char *first = strchr(text_string(&command), '\'');
	assert_non_null(first);
	const char *second = strchr(first + 1, '\'');
	assert_non_null(second);
	assert_string_equal(second, "'");
	assert_null(strchr(text_string(&command), '\n'));
}

static void the_answer_is_found_among_other_words(void **state)
{
#define HEX "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
	char digest[65];
	uint64_t size = 0;

	(void)state;
	assert_true(answer_parse("Welcome\nokvb " HEX " 42\n", digest, &size));
	assert_string_equal(digest, HEX);
	assert_int_equal(size, 42);
	assert_true(answer_parse("okvb nonsense\nokvb " HEX " 7", digest, &size));
	assert_int_equal(size, 7);
	static const char *const none[] = { "",
					    "\n\n",
					    "okvb",
					    "okvb ",
					    "okvb " HEX,
					    "okvb " HEX "0 1\n",
					    " okvb " HEX " 1\n",
					    "okvb 0" HEX " 1\n",
					    "xokvb " HEX " 1\n",
					    "okvb " HEX " \n" };
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		assert_false(answer_parse(none[i], digest, &size));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_node_is_user_host_and_port),
		cmocka_unit_test(what_could_be_an_option_or_reach_a_shell_is_no_node),
		cmocka_unit_test(host_keys_are_checked_before_anything_the_caller_says),
		cmocka_unit_test(a_nodes_own_user_and_port_come_first),
		cmocka_unit_test(more_options_than_there_is_room_for_are_refused),
		cmocka_unit_test(the_nodes_command_has_no_single_quote_inside),
		cmocka_unit_test(the_answer_is_found_among_other_words),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
