/* conf/script: which lines of a shell script begin a command of the script itself.  The judge is bash. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/script.h"
#include "proc/child.h"
#include "random.h"

enum { SCRIPTS = 300 };

static struct script read_string(const char *bytes)
{
	struct script s;
	struct fault f = { 0 };

	assert_int_equal(script_read(&s, bytes, strlen(bytes), &f), 0);
	return s;
}

/* "o" for an outer line of code, "O" for an outer line that is none, "." for any other; '+' at the end: ends outer. */
static void assert_lines(const char *bytes, const char *wanted)
{
	SCRIPT_AUTO s = read_string(bytes);
	TEXT_AUTO seen = { 0 };
	size_t at = 0;

	for (size_t i = 0; i < s.count; i++) {
		assert_int_equal(s.lines[i].start, at);
		at += s.lines[i].length;
		text_add_char(&seen, !s.lines[i].outer ? '.' : s.lines[i].code ? 'o' : 'O');
	}
	assert_int_equal(at, strlen(bytes));
	if (s.ends_outer)
		text_add_char(&seen, '+');
	if (strcmp(text_string(&seen), wanted) != 0)
		fail_msg("of '%s': '%s', not '%s'", bytes, text_string(&seen), wanted);
}

static void lines_begin_outside_quotes_documents_and_compounds(void **state)
{
	(void)state;
	assert_lines("", "+");
	assert_lines("a\nb\n", "oo+");
	assert_lines("# c\n\n a\n", "OOo+");
	assert_lines("a \\\nb\nc\n", "o.o+");
	assert_lines("a \"x\ny\" b\nc\n", "o.o+");
	assert_lines("a 'x\n\"\n' b\nc\n", "o..o+");
	assert_lines("cat <<E\nif\n E\nE\nc\n", "o...o+");
	assert_lines("cat <<-'E F' <<G\nx\n\tE F\n$(\nG\nc\n", "o....o+");
	assert_lines("if a; then\nb\nelse\nc\nfi\nd\n", "o....o+");
	assert_lines("case $x in\na) if b; then c; fi ;;\n(d) : ;;\nesac\ne\n", "o...o+");
	assert_lines("f() {\na\n}\nb\n", "o..o+");
	assert_lines("function f {\na\n}\nb\n", "o..o+");
	assert_lines("f ( )\n{\na\n}\nb\n", "o...o+");
	assert_lines("function f\n{\na\n}\nb\n", "o...o+");
	assert_lines("x=(a\nb)\nc\nx=()\nd\n", "o.ooo+");
	assert_lines("a &&\n# c\nb\nc\n", "o..o+");
	assert_lines("a |\nb\n", "o.+");
	assert_lines("x=$(a\nb)\nc\n", "o.o+");
	assert_lines("x=`a\nb`\nc\n", "o.o+");
	assert_lines("x=\"$(a \"\n\")\n\"\nc\n", "o..o+");
	assert_lines("x=$((1 << 2))\nc\n", "oo+");
	assert_lines("((x = 1 << 2))\nc\n", "oo+");
	assert_lines("x=${y:-\"}\"}\nc\n", "oo+");
	assert_lines("x=${y#'}'}\nc\n", "oo+");
	assert_lines("a <<<x\nc\n", "oo+");
	assert_lines("diff <(a\nb) c\nd\n", "o.o+");
	assert_lines("[[ a =~ ^(a|b)$ ]]\nc\n", "oo+");
	assert_lines("echo if\necho fi done }\nc\n", "ooo+");
	assert_lines("a 2>&1 >|b &\nc\n", "oo+");
	assert_lines("a#b ${#x} $#\nc\n", "oo+");
	assert_lines("while :; do\na\ndone <b\nc\n", "o..o+");
}

static void where_the_reader_loses_its_way_no_later_line_is_outer(void **state)
{
	(void)state;
	assert_lines("a\nlogger \"x\xe2\x80\x9d\nexit 1\n", "oo.");
	assert_lines("a\nfi\nb\n", "oo.");
	assert_lines("a\n)\nb\n", "oo.");
	assert_lines("cat <<E\nx\n", "o.");
	assert_lines("if a; then\nb\n", "o.");
	assert_lines("a \\", "o");
}

/* --- random scripts, whose outer lines their maker knows -----------------------------------------------------------
 */

static void command_make(struct random *r, unsigned depth, struct text *out);

static void commands_make(struct random *r, unsigned depth, struct text *out)
{
	for (size_t n = 1 + random_below(r, 2); n > 0; n--)
		command_make(r, depth + 1, out);
}

static void simple_make(struct random *r, struct text *out)
{
	static const char *const simple[] = {
		": word\n",
		"x=1\n",
		"x=\"two\nlines ) fi } $(echo \"sub ( \") \\\" more\"\n",
		": 'single\n# no comment \" ( \nend'\n",
		"cat <<EOF >/dev/null\nfi done ) } esac \" ' $x\n EOF\nEOF\n",
		"cat <<-'E O F' >/dev/null\n\t$( ` \"\n\tE O F\n",
		": a \\\n  b \\\n  c\n",
		"true &&\n  true\n",
		"true ||\n\n  # about it\n  true\n",
		"echo a |\n  cat >/dev/null\n",
		": $((1 + (2 << 1)))\n",
		": ${x:-\"a}b\"} ${x%%'}'*} ${#x}\n",
		"# a comment with ' and \" and ( and `\n",
		"\n",
		"x=$(\n  echo a\n  case b in b) echo c ;; esac\n)\n",
		"x=`echo a; echo b`\n",
		"[ -n \"$x\" ] || :\n",
		"[[ a =~ ^(a|b)$ ]] && :\n",
		"cat <<<\"here ) fi\" >/dev/null\n",
		": if fi done { } ( $# a#b\n",
		"((x = 1 << 2)) || :\n",
		": >/dev/null 2>&1 </dev/null; : x # ' behind\n",
		"x='it'\\''s' y=\"a\"'b'\n",
	};
	const char *chosen = RANDOM_PICK(r, simple);

	/* ": ( " would be a syntax error outside quotes. */
	text_add_string(out, strncmp(chosen, ": if", 4) == 0 ? ": if fi done { } $# a#b\n" : chosen);
}

static void command_make(struct random *r, unsigned depth, struct text *out)
{
	static const struct {
		const char *open, *close;
	} compounds[] = {
		{ "if true; then\n", "fi\n" },
		{ "if false; then\n:\nelif true\nthen\n", "else\n:\nfi\n" },
		{ "for i in 1 2; do\n", "done\n" },
		{ "while false\ndo\n", "done >/dev/null\n" },
		{ "case x in\ny | z) : ;;\n(x)\n", ";;\nesac\n" },
		{ "{\n", "}\n" },
		{ "(\n", ")\n" },
		{ "f() {\n", "}\n" },
		{ "function g\n{\n", "}\n" },
		{ "x=\"$(\n", ")\"\n" },
		{ "until true; do\n", "done\n" },
	};

	if (depth > 4 || !random_one_in(r, 2)) {
		simple_make(r, out);
		return;
	}
	const size_t which = random_below(r, sizeof(compounds) / sizeof(compounds[0]));
	text_add_string(out, compounds[which].open);
	/* A compound of comments alone is a syntax error. */
	text_add_string(out, ":\n");
	commands_make(r, depth, out);
	text_add_string(out, compounds[which].close);
}

struct made {
	struct text bytes;
	size_t starts[64]; /* offsets where the maker began a command of the script */
	size_t count;
};

static void script_make(struct random *r, struct made *m)
{
	for (size_t n = 1 + random_below(r, 12); n > 0; n--) {
		m->starts[m->count++] = m->bytes.length;
		command_make(r, 0, &m->bytes);
	}
}

/* What bash says of the script, and its exit status. */
static int bash_run(const char *bytes, size_t length, struct text *ret_output)
{
	char path[] = "/tmp/okv-script-test-XXXXXX";
	const int fd = mkstemp(path);
	struct fault f = { 0 };
	struct proc_outcome outcome = PROC_OUTCOME_INIT;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, length), (ssize_t)length);
	(void)close(fd);
	const char *const argv[] = { "/bin/bash", path, NULL };
	const struct proc_child_options run = { .argv = argv, .root = -1, .input = -1, .deadline_ms = 20000 };
	assert_int_equal(proc_child_run(&run, &outcome, &f), 0);
	(void)unlink(path);
	text_add_string(ret_output, text_string(&outcome.output));
	const int status = outcome.status;
	proc_outcome_done(&outcome);
	return status;
}

/* Runs the script in bash; its output must be the numbers from 0 on, one a line. */
static void assert_marks_run(const struct text *script, size_t marks)
{
	TEXT_AUTO wanted = { 0 };
	TEXT_AUTO seen = { 0 };

	for (size_t i = 0; i < marks; i++)
		text_add_format(&wanted, "%zu\n", i);
	const int status = bash_run(script->bytes, script->length, &seen);
	if (status != 0 || strcmp(text_string(&seen), text_string(&wanted)) != 0)
		fail_msg("status %d, output:\n%sof:\n%s", status, text_string(&seen), script->bytes);
}

/* The line that ends the script by what the reader says, from 1; 0: none. */
static size_t end_find(const char *bytes)
{
	SCRIPT_AUTO s = read_string(bytes);

	for (size_t i = 0; i < s.count; i++)
		if (s.lines[i].ends)
			return i + 1;
	return 0;
}

static void assert_end(const char *script, size_t line)
{
	TEXT_AUTO marked = { 0 };
	TEXT_AUTO seen = { 0 };

	text_add_format(&marked, "%s\necho the end\n", script);
	(void)bash_run(marked.bytes, marked.length, &seen);
	const bool reached = strstr(text_string(&seen), "the end\n") != NULL;
	if (reached != (line == 0))
		fail_msg("bash %s the end of '%s'", reached ? "reaches" : "does not reach", script);
	if (end_find(script) != line)
		fail_msg("of '%s': line %zu, not %zu", script, end_find(script), line);
}

/* Not run: nobody would see their end. */
static void a_loop_without_an_end_ends_the_script(void **state)
{
	(void)state;
	assert_int_equal(end_find("while :; do sleep 1; done"), 1);
	assert_int_equal(end_find("until false\ndo\nsleep 1\ndone >/dev/null\n"), 4);
	assert_int_equal(end_find("while [ 1 = 1 ]; do x && y || z; done"), 1);
	assert_int_equal(end_find("while true; do while true; do sleep 1; done; done"), 1);
	assert_int_equal(end_find("if true; then\nwhile :; do x | y; done\nfi"), 2);
	assert_int_equal(end_find("f() { while :; do sleep 1; done; }\nf"), 2);
	assert_int_equal(end_find("while :; do x; if y; then exit; fi; done"), 1);
	assert_int_equal(end_find("while x; do sleep 1; done"), 0);
	assert_int_equal(end_find("while :; x; do sleep 1; done"), 0);
	assert_int_equal(end_find("while :; do sleep 1; done &"), 0);
	assert_int_equal(end_find("( while :; do sleep 1; done ) &\n"), 0);
	assert_int_equal(end_find("[ -e /x ] && while :; do sleep 1; done"), 0);
	assert_int_equal(end_find("f() { while :; do sleep 1; done; }"), 0);
	assert_int_equal(end_find("for i in a b; do sleep 1; done"), 0);
}

static void what_ends_the_script_whatever_came_before_is_told(void **state)
{
	static const struct {
		const char *script;
		size_t line;
	} rows[] = {
		{ "exit", 1 },
		{ "x=1; exit 3", 1 },
		{ "x=1 y=\"a b\" exit 3", 1 },
		{ "x=$(echo a b) exit 3", 1 },
		{ ">/dev/null exit 1", 1 },
		{ "exit 1 >/dev/null 2>&1", 1 },
		{ "{ exit; }", 1 },
		{ ":\n{\n:\nexit 0\n}\n", 4 },
		{ "{ { :; exit; }; } 2>/dev/null", 1 },
		{ "true && exit", 1 },
		{ ": && { echo a; exit 1; }", 1 },
		{ "false || exit", 1 },
		{ "! false && exit", 1 },
		{ "true && false || exit", 1 },
		{ "false && true || exit 1", 1 },
		{ "if true; then\nexit 0\nfi", 2 },
		{ "if :\nthen :; exit\nfi", 2 },
		{ "if false; then :; else\n\nexit\nfi", 3 },
		{ "if false; then :; elif true; then exit; fi", 1 },
		{ "if exit 1; then :; fi", 1 },
		{ "while true; do exit; done", 1 },
		{ "while :\ndo\nexit\ndone", 3 },
		{ "until false; do exit 1; done", 1 },
		{ "for i in a b; do exit 1; done", 1 },
		{ "case $x in *) exit 1 ;; esac", 1 },
		{ "case $x in\n(*)\nexit 1\nesac", 3 },
		{ "f() { exit 1; }\nf", 2 },
		{ "function f {\nexit 1\n}\n:\nf a b", 5 },
		{ "f() { exit 1; }; g() { :; f; }\n{ g; }", 2 },
		{ "f()\n{\nif true; then exit 1; fi\n}\nif f; then :; fi", 5 },
		{ "f() { exec true; }\nf", 2 },
		{ "command exit", 1 },
		{ "eval exit 3", 1 },
		{ "exec true", 1 },
		{ "exec -a x true", 1 },
		{ "[ 1 = 1 ] && exit", 1 },
		{ "[ -n x ] && { echo a; exit 1; }", 1 },
		{ "test \"a b\" != 'c' && exit", 1 },
		{ "[[ -z \"\" ]] && exit 2", 1 },
		{ "[ ! a = b ] && exit", 1 },
		{ "[ 2 -gt 1 ] 2>/dev/null && exit", 1 },
		{ "[ \"\" ] || exit", 1 },
		{ "[ -d / ] && exit", 1 },
		{ "if [ yes == no ]; then :; else\nexit; fi", 2 },
		{ "while [ 1 ]; do exit 1; done", 1 },
		{ "kill $$", 1 },
		{ ":\nkill -9 \"$$\"", 2 },
		{ "kill -s TERM $$", 1 },
		{ "kill -SIGKILL -- $$ 2>/dev/null", 1 },
		{ "trap : TERM\nkill -KILL $$", 2 },
		{ "f() { kill -TERM $$; }\n[ 1 ] && f", 2 },
		{ "eval \"exit 0\"", 1 },
		{ "eval 'echo $x; exit'", 1 },
		{ "eval \"exit\" 3", 1 },
		{ "f() { exit 1; }\neval \"f\" 2>/dev/null", 2 },
		{ "eval \"kill $$\"", 1 },
		{ "eval 'eval \"true && exit\"'", 1 },
		/* And what does not. */
		{ "[ 1 = 2 ] && exit", 0 },
		{ "[ \"\" ] && exit", 0 },
		{ "test 1 -gt 2 && exit", 0 },
		{ "[[ a == \"a*\" ]] && exit", 0 },
		{ "[ ! -d / ] && exit", 0 },
		{ "[ -n x ] || exit", 0 },
		{ "[ -n x && exit ]", 0 },
		{ "kill -0 $$", 0 },
		{ "kill -s CONT $$", 0 },
		{ "kill '$$' 2>/dev/null", 0 },
		{ "kill -l >/dev/null; kill 2>/dev/null", 0 },
		{ "trap : TERM\nkill $$", 0 },
		{ "kill() { :; }\nkill $$", 0 },
		{ "eval \"echo exit\"", 0 },
		{ "eval '( exit 1 )'", 0 },
		{ "eval \"exit\" \"|\" cat", 0 },
		{ "x=1; eval \"[ $x = 2 ]\" && exit", 0 },
		{ "f() { eval 'return 1'; }\nf", 0 },
		{ "false && eval \"exit\"", 0 },
		{ "f() { exit 1; }", 0 },
		{ "f() { return; exit 1; }\n", 0 },
		{ "f() { exit 1; }\nf() { :; }\nf", 0 },
		{ "f() { if [ -n \"$x\" ]; then exit 1; fi; }\nf", 0 },
		{ "f() ( exit 1 )\nf", 0 },
		{ "f() { exit 1; }\nf | cat", 0 },
		{ "f() { exit 1; }\nx=$(f)", 0 },
		{ "f() { exit 1; }\n( f )\nf &", 0 },
		{ "exit 1 | cat", 0 },
		{ "{ exit 1; } | cat", 0 },
		{ "{ :; { exit 1; } 2>/dev/null & wait; }", 0 },
		{ "for i in a; do exit 1; done | cat", 0 },
		{ "case x in *) exit 1 ;; esac | cat", 0 },
		{ "f() { if true; then exit 1; fi | cat; }\nf", 0 },
		{ "exit 1 &", 0 },
		{ "echo a | exit 1", 0 },
		{ "( exit 1 )", 0 },
		{ "x=`exit 1`", 0 },
		{ "false && exit", 0 },
		{ "true || exit 1", 0 },
		{ "! true && exit", 0 },
		{ "if false; then exit; fi", 0 },
		{ "if true; then :; else exit; fi", 0 },
		{ "[ -n \"$x\" ] && exit 1", 0 },
		{ "[ -z \"$x\" ] || { exit 1; }", 0 },
		{ "while false; do exit; done", 0 },
		{ "while :; do break; done", 0 },
		{ "until false; do while :; do break 2; done; done", 0 },
		{ "while :; do case a in a) command break ;; esac; done", 0 },
		{ "while true; do eval 'break'; done", 0 },
		{ "f() { while :; do [ -d / ] && return; done; }\nf", 0 },
		{ "until true; do :; done", 0 },
		{ "for i in $x; do exit 1; done", 0 },
		{ "case a in b) exit 1 ;; *) : ;; esac", 0 },
		{ "exec 3>/dev/null", 0 },
		{ "exec {fd}>/dev/null", 0 },
		{ "exec 2>&1", 0 },
		{ "echo exit; echo a exit", 0 },
		{ "x=exit; x=\"exit\"", 0 },
		{ "# exit\ncat <<E >/dev/null\nexit\nE", 0 },
		{ "echo a >exit; rm exit", 0 },
		{ "trap 'echo exit' EXIT", 0 },
		{ "alias exit=:", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_end(rows[i].script, rows[i].line);
	/* What it hangs on may be so or not: then nobody can say. */
	assert_int_equal(end_find("[ -n \"$x\" ] && exit"), 0);
	assert_int_equal(end_find("logger x || exit 1"), 0);
	assert_int_equal(end_find("if [ -e /x ]; then exit; fi"), 0);
	assert_int_equal(end_find("${x} exit"), 0);
	/* Read in by another script it ends that. */
	assert_int_equal(end_find("return 0"), 1);
}

static void whole_lines_put_before_an_outer_line_run_exactly_when_it_would(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= SCRIPTS; seed++) {
		struct random r = random_from(seed);
		struct made m = { .bytes = { 0 } };
		struct fault f = { 0 };
		SCRIPT_AUTO s = { 0 };
		TEXT_AUTO marked = { 0 };
		size_t marks = 0, known = 0;

		script_make(&r, &m);
		assert_int_equal(script_read(&s, m.bytes.bytes, m.bytes.length, &f), 0);
		assert_true(s.ends_outer);
		text_add_string(&marked, "okv_mark() { echo $1; }\n");
		for (size_t i = 0; i < s.count; i++) {
			/* It finds every place that the maker knows of, and no other but comments and blank lines. */
			const bool is_known = known < m.count && m.starts[known] == s.lines[i].start;
			known += is_known;
			if (s.lines[i].outer != is_known)
				fail_msg("seed %llu line %zu of:\n%s", (unsigned long long)seed, i + 1, m.bytes.bytes);
			if (s.lines[i].outer)
				text_add_format(&marked, "okv_mark %zu\n", marks++);
			text_add(&marked, m.bytes.bytes + s.lines[i].start, s.lines[i].length);
		}
		assert_int_equal(known, m.count);
		text_add_format(&marked, "okv_mark %zu\n", marks++);
		assert_marks_run(&marked, marks);
		text_done(&m.bytes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_begin_outside_quotes_documents_and_compounds),
		cmocka_unit_test(where_the_reader_loses_its_way_no_later_line_is_outer),
		cmocka_unit_test(a_loop_without_an_end_ends_the_script),
		cmocka_unit_test(what_ends_the_script_whatever_came_before_is_told),
		cmocka_unit_test(whole_lines_put_before_an_outer_line_run_exactly_when_it_would),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
