#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/hex.h"
#include "base/number.h"
#include "bundle/act.h"
#include "bundle/sealed.h"
#include "fs/root.h"
#include "fs/sha256.h"
#include "proc/child.h"

/*
 * --- a node, and the arguments for the system's ssh ---
 *
 * A node is [USER@]HOST, [USER@]HOST:PORT, [USER@]IPV6 or [USER@][IPV6]:PORT.  Hosts and users consist of letters,
 * digits and ". _ : % -" and do not begin with "-", so none is taken for an option or means anything to a shell.
 * ssh always checks host keys; it reads passwords from the terminal itself, and we never see them.
 */

struct target {
	const char *node; /* as the caller wrote it; borrowed */
	char user[64], host[256];
	unsigned port; /* 0: ssh's own choice */
};

/* How to reach the nodes; the user and port of a target override these. */
struct ssh {
	const char *user;                  /* never NULL */
	uint64_t port;                     /* 0: ssh's own choice */
	const char *identity;              /* file of the private key, or NULL */
	const struct option_list *options; /* NAME=VALUE for ssh -o */
	bool ask;                          /* ssh may ask for a password, or about a new host key */
};

enum { SSH_WORDS_MAX = 96 };
/* The arguments of ssh, ended by NULL; they point to our own arguments and to `port`. */
struct ssh_words {
	const char *words[SSH_WORDS_MAX];
	char port[12];
};

enum { PORT_MOST = 65535 };

static const char host_bytes[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:%-";

static bool name_is_plain(const char *name, size_t length)
{
	return length > 0 && name[0] != '-' && strspn(name, host_bytes) >= length;
}

static int port_parse(const char *digits, const char *node, unsigned *ret_port, struct fault *f)
{
	uint64_t port;

	if (number_parse(digits, "a port", 1, PORT_MOST, &port, f) < 0) {
		const struct fault why = *f;
		return fault_usage(f, "node '%s': %s", SHOWN(node), why.text);
	}
	*ret_port = (unsigned)port;
	return 0;
}

static int target_parse(const char *node, struct target *ret_target, struct fault *f)
{
	struct target target = { .node = node };
	const char *at = strchr(node, '@');
	const char *host = at != NULL ? at + 1 : node, *port = NULL;
	size_t length;

	if (at != NULL) {
		const size_t user = (size_t)(at - node);
		if (!name_is_plain(node, user) || user >= sizeof(target.user))
			return fault_usage(f, "node '%s' has no valid user name before its @", SHOWN(node));
		memcpy(target.user, node, user);
	}
	if (host[0] == '[') {
		host++;
		length = strcspn(host, "]");
		const char *after = host + length;
		if (after[0] != ']' || (after[1] != '\0' && after[1] != ':'))
			return fault_usage(f, "node '%s' is not [ADDRESS] or [ADDRESS]:PORT", SHOWN(node));
		port = after[1] == ':' ? after + 2 : NULL;
	} else {
		/* A single colon precedes a port; an address with more colons is IPv6. */
		const char *colon = strchr(host, ':');
		const bool single = colon != NULL && strchr(colon + 1, ':') == NULL;
		length = single ? (size_t)(colon - host) : strlen(host);
		port = single ? colon + 1 : NULL;
	}
	if (!name_is_plain(host, length) || length >= sizeof(target.host))
		return fault_usage(f, "node '%s' has no valid host name or address", SHOWN(node));
	memcpy(target.host, host, length);
	if (port != NULL && port_parse(port, node, &target.port, f) < 0)
		return -1;
	*ret_target = target;
	return 0;
}

/* Does `option`, "NAME=VALUE" or "NAME VALUE", have that name?  ssh ignores the case. */
static bool option_named(const char *option, const char *name)
{
	const size_t length = strlen(name);
	return strncasecmp(option, name, length) == 0 && strchr("= \t", option[length]) != NULL;
}

/* FAULT_USAGE for options that would weaken the check of host keys, or override --ask. */
static int ssh_check(const struct ssh *ssh, struct fault *f)
{
	static const char *const ours[] = {
		"StrictHostKeyChecking",
		"NoHostAuthenticationForLocalhost",
		"BatchMode",
		"ControlMaster",
	};

	for (size_t i = 0; ssh->options != NULL && i < ssh->options->count; i++) {
		const char *option = ssh->options->items[i];
		if (strchr(option, '=') == NULL)
			return fault_usage(f, "--ssh-option '%s' is not NAME=VALUE", SHOWN(option));
		for (size_t k = 0; k < sizeof(ours) / sizeof(ours[0]); k++)
			if (option_named(option, ours[k]))
				return fault_usage(f,
						   "--ssh-option may not set %s: host keys are always checked, "
						   "and --ask decides about questions",
						   ours[k]);
	}
	if (!name_is_plain(ssh->user, strlen(ssh->user)))
		return fault_usage(f, "--user '%s' is not a user name", SHOWN(ssh->user));
	return 0;
}

/* Appends one or two words.  Without room it only counts them: the caller checks the count at the end. */
static void words_add(struct ssh_words *w, size_t *count, const char *first, const char *second)
{
	const char *const words[] = { first, second };

	for (size_t i = 0; i < 2; i++)
		if (words[i] != NULL) {
			if (*count < SSH_WORDS_MAX)
				w->words[*count] = words[i];
			(*count)++;
		}
}

static int ssh_words(const struct ssh *ssh, const struct target *target, const char *command,
		     struct ssh_words *ret_words, struct fault *f)
{
	/* ssh takes the first value that it finds, so these override every configuration. */
	static const char *const first[] = {
		"NoHostAuthenticationForLocalhost=no",
		"ControlMaster=no",
		"ClearAllForwardings=yes",
		"LogLevel=ERROR",
	};
	/* These come after the caller's options, which override them. */
	static const char *const last[] = { "ConnectTimeout=15", "ServerAliveInterval=15", "ServerAliveCountMax=4" };
	const unsigned port = target->port != 0 ? target->port : (unsigned)ssh->port;
	size_t count = 0;

	words_add(ret_words, &count, "/usr/bin/ssh", "-Tax");
	words_add(ret_words, &count, "-o", ssh->ask ? "StrictHostKeyChecking=ask" : "StrictHostKeyChecking=yes");
	words_add(ret_words, &count, "-o", ssh->ask ? "BatchMode=no" : "BatchMode=yes");
	for (size_t i = 0; i < sizeof(first) / sizeof(first[0]); i++)
		words_add(ret_words, &count, "-o", first[i]);
	for (size_t i = 0; ssh->options != NULL && i < ssh->options->count; i++)
		words_add(ret_words, &count, "-o", ssh->options->items[i]);
	for (size_t i = 0; i < sizeof(last) / sizeof(last[0]); i++)
		words_add(ret_words, &count, "-o", last[i]);
	if (ssh->identity != NULL)
		words_add(ret_words, &count, "-i", ssh->identity);
	if (port != 0) {
		(void)snprintf(ret_words->port, sizeof(ret_words->port), "%u", port);
		words_add(ret_words, &count, "-p", ret_words->port);
	}
	words_add(ret_words, &count, "-l", target->user[0] != '\0' ? target->user : ssh->user);
	words_add(ret_words, &count, "--", target->host);
	words_add(ret_words, &count, command, NULL);
	if (count >= SSH_WORDS_MAX)
		return fault_usage(f, "too many --ssh-option");
	ret_words->words[count] = NULL;
	return 0;
}

/*
 * The command that the node runs: it writes exactly `size` bytes from standard input to `path`, a new file with mode
 * 0600, and prints "okvb DIGEST SIZE" of what it reads back.  If anything fails, it removes the file.  `path` needs no
 * quoting.  The command is one line with a single pair of quotes, so that any login shell passes it to sh unchanged.
 */
static void receive_command(struct text *command, const char *path, uint64_t size)
{
	/*
	 * noclobber (set -C) creates the file with O_EXCL, so a file that somebody has put there is not used.  Errors
	 * go to standard output too: two streams could arrive in any order, and our own line must be the last.
	 */
	text_add_format(command, "exec /bin/sh -c 'exec 2>&1; umask 077; set -C; f=%s; ", path);
	text_add_string(command, "no() { trap \"\" 1 2 13 15; rm -f $f; echo \"$1\"; exit 1; }; "
				 "trap \"no interrupted\" 1 2 13 15; "
				 "cat >$f || no \"cannot write $f\"; ");
	/* To cat, a broken connection looks like the end of the file. */
	text_add_format(command, "n=$(wc -c <$f); [ \"$n\" -eq %ju ] || no \"only $n of %ju bytes arrived\"; ",
			(uintmax_t)size, (uintmax_t)size);
	text_add_string(command, "if command -v openssl >/dev/null 2>&1; then d=$(openssl dgst -sha256 -r <$f); "
				 "else d=$(sha256sum <$f); fi; echo \"okvb ${d%% *} $n\" || no'");
}

/* Finds the "okvb" line in what the node and ssh printed. */
static bool answer_parse(const char *said, char ret_digest[65], uint64_t *ret_size)
{
	static const char mark[] = "okvb ";

	for (const char *line = said; line[0] != '\0'; line += line[0] == '\n') {
		const size_t length = strcspn(line, "\n");
		const char *digest = line + sizeof(mark) - 1;
		uintmax_t size;
		if (text_starts(line, mark) && strspn(digest, "0123456789abcdef") == 64 && digest[64] == ' ' &&
		    sscanf(digest + 65, "%ju", &size) == 1) {
			memcpy(ret_digest, digest, 64);
			ret_digest[64] = '\0';
			*ret_size = size;
			return true;
		}
		line += length;
	}
	return false;
}

/* --- the sending --- */

enum { JOBS_DEFAULT = 16, TIMEOUT_DEFAULT = 300, NODE_PATH_SIZE = 64 };

/* A node and its result. */
struct node {
	struct target target;
	bool done;
	uint64_t bytes;                     /* size that the node has answered; 0 without an answer */
	char digest[HEX_SIZE(SHA256_SIZE)]; /* the same of the digest; "" without an answer */
	char verdict[256];                  /* "sent", or the reason why not; printable */
};

/* A connection in progress. */
struct connection {
	struct proc_child child;
	struct node *node;
};

struct sending {
	const struct bundle_act *act;
	struct ssh ssh;
	struct text environment_lines[3];
	const char *environment[4]; /* for ssh; ends with NULL */
	unsigned timeout_ms;
	struct node *nodes;
	size_t count, started;
	struct connection *connections;
	size_t jobs; /* number of connections, at most PROC_CHILDREN_MAX */
	int file;    /* the sealed file */
	uint64_t size;
	char digest[HEX_SIZE(SHA256_SIZE)];
	char node_path[NODE_PATH_SIZE];
	struct text receive; /* the command that the nodes run */
};

/* --- one node ----------------------------------------------------------------------------------------------------- */

static int connection_start(const struct sending *s, const struct target *target, const char *command, int input,
			    struct proc_child *ret_child, struct fault *f)
{
	struct ssh_words words;
	struct proc_child_options run = PROC_CHILD_OPTIONS_INIT;

	if (ssh_words(&s->ssh, target, command, &words, f) < 0)
		return -1;
	run.argv = words.words;
	run.environment = s->environment;
	run.input = input;
	run.deadline_ms = s->timeout_ms;
	run.group = s->ssh.ask ? PROC_CHILD_OUR_GROUP : PROC_CHILD_OWN_GROUP;
	run.root = PROC_CHILD_STAY; /* paths of keys and known hosts may be relative */
	return proc_child_start(&run, ret_child, f);
}

/* The last line of output mostly is the reason. */
static void verdict_quote(struct node *node, const char *said, int status)
{
	size_t end = strlen(said);

	while (end > 0 && strchr("\r\n ", said[end - 1]) != NULL)
		end--;
	size_t start = end;
	while (start > 0 && said[start - 1] != '\n')
		start--;
	if (end > start)
		(void)snprintf(node->verdict, sizeof(node->verdict), "%s", SHOWN_BYTES(said + start, end - start));
	else
		(void)snprintf(node->verdict, sizeof(node->verdict), "ssh ended with status %d", status);
}

/* Fills in the node's result; true if the node has kept a file that is not proven. */
static bool outcome_evaluate(const struct sending *s, const struct proc_outcome *outcome, struct node *node)
{
	const char *said = text_string(&outcome->output);
	const bool answered = answer_parse(said, node->digest, &node->bytes);
	const bool same = answered && strcmp(node->digest, s->digest) == 0 && node->bytes == s->size;
	const char *verdict = NULL;

	node->done = same && !outcome->late && outcome->status == 0;
	if (outcome->late)
		verdict = "no answer in time; --timeout gives it longer";
	else if (answered && !same)
		verdict = "the bytes that arrived are not the ones that were sent";
	else if (node->done)
		verdict = "sent";
	if (verdict != NULL)
		(void)snprintf(node->verdict, sizeof(node->verdict), "%s", verdict);
	else
		verdict_quote(node, answered ? "" : said, outcome->status);
	return answered && !node->done;
}

/* Removes the file from a node that has accepted it, although it is not what was sent. */
static void node_file_remove(const struct sending *s, const struct target *target)
{
	char command[sizeof("exec /bin/rm -f ") + NODE_PATH_SIZE];
	struct fault ignored = { 0 };
	struct proc_child child = { 0 };
	struct proc_child *const children[] = { &child };
	struct proc_outcome outcome = PROC_OUTCOME_INIT;
	size_t which;

	(void)snprintf(command, sizeof(command), "exec /bin/rm -f %s", s->node_path);
	const bool removed = connection_start(s, target, command, -1, &child, &ignored) == 0 &&
			     proc_child_wait(children, 1, &which, &outcome, &ignored) == 0 && outcome.status == 0;
	proc_child_kill(&child);
	proc_outcome_done(&outcome);
	if (!removed)
		report_say(s->act->report, REPORT_WARNING, "%s may still have '%s'; remove it there: rm %s",
			   SHOWN(target->node), s->node_path, s->node_path);
}

/* --- all of them -------------------------------------------------------------------------------------------------- */

/* Each connection reads at its own pace, so it needs its own file offset. */
static int file_reopen(const struct sending *s, int *ret_fd, struct fault *f)
{
	char path[32];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", s->file);
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return fault_system(f, errno, "cannot read the sealed file again");
	*ret_fd = fd;
	return 0;
}

/* Starts the next nodes, as many as may run. */
static int connections_start(struct sending *s, struct fault *f)
{
	for (size_t i = 0; i < s->jobs && s->started < s->count; i++) {
		struct connection *connection = &s->connections[i];
		FS_AUTO int input = -1;
		if (connection->child.pid > 0)
			continue;
		if (file_reopen(s, &input, f) < 0)
			return -1;
		connection->node = &s->nodes[s->started++];
		if (connection_start(s, &connection->node->target, text_string(&s->receive), input, &connection->child,
				     f) < 0)
			return -1;
	}
	return 0;
}

/* Called while the first connections are being set up. */
static int file_digest(struct sending *s, struct fault *f)
{
	unsigned char digest[SHA256_SIZE];
	FS_AUTO int fd = -1;

	if (file_reopen(s, &fd, f) < 0 || fs_sha256_descriptor(fd, "the sealed file", digest, f) < 0)
		return -1;
	hex_encode(digest, sizeof(digest), s->digest);
	return 0;
}

static int nodes_send(struct sending *s, struct fault *f)
{
	struct proc_child *children[PROC_CHILDREN_MAX];

	for (size_t i = 0; i < s->jobs; i++)
		children[i] = &s->connections[i].child;
	if (connections_start(s, f) < 0 || file_digest(s, f) < 0)
		return -1;
	for (size_t done = 0; done < s->count; done++) {
		struct proc_outcome outcome = PROC_OUTCOME_INIT;
		size_t which;
		if (proc_child_wait(children, s->jobs, &which, &outcome, f) < 0)
			return -1;
		struct node *node = s->connections[which].node;
		const bool stayed = outcome_evaluate(s, &outcome, node);
		proc_outcome_done(&outcome);
		report_say(s->act->report, REPORT_DETAIL, "%s: %s", SHOWN(node->target.node), node->verdict);
		if (connections_start(s, f) < 0)
			return -1;
		if (stayed)
			node_file_remove(s, &node->target);
	}
	return 0;
}

/* Prints the table of nodes; returns how many have received the bundle. */
static size_t sent_show(const struct sending *s, struct text *lines, struct json *j)
{
	size_t width = sizeof("NODE") - 1, done = 0;

	for (size_t i = 0; i < s->count; i++)
		if (strlen(s->nodes[i].target.node) > width)
			width = strlen(s->nodes[i].target.node);
	json_string(j, "path", s->node_path);
	json_array_begin(j, "nodes");
	text_add_format(lines, "%-*s  %15s  %-16s  %s\n", (int)width, "NODE", "BYTES", "SHA-256", "VERDICT");
	for (size_t i = 0; i < s->count; i++) {
		const struct node *node = &s->nodes[i];
		const bool answered = node->digest[0] != '\0';
		done += node->done ? 1 : 0;
		/* The whole digest has been compared, and is in the JSON; people see its beginning. */
		text_add_format(lines, "%-*s  %15s  %-16.16s  %s%s\n", (int)width, node->target.node,
				NUMBER_GROUPED(node->bytes), answered ? node->digest : "-",
				node->done ? "" : "FAILED: ", node->verdict);
		json_object_begin(j, NULL);
		json_string(j, "node", node->target.node);
		json_bool(j, "sent", node->done);
		json_unsigned(j, "bytes", node->bytes);
		json_string(j, "sha256", answered ? node->digest : NULL);
		json_string(j, "verdict", node->verdict);
		json_object_end(j);
	}
	json_array_end(j);
	if (done > 0)
		text_add_format(lines, "next, as root on %s:\n  okv-luna bundle apply %s\n",
				done == s->count ? "each of these nodes" : "each node that has it", s->node_path);
	return done;
}

static void plan_show(const struct sending *s, struct text *lines, struct json *j)
{
	json_array_begin(j, "nodes");
	for (size_t i = 0; i < s->count; i++) {
		const struct target *t = &s->nodes[i].target;
		text_add_format(lines, "would send to %s@%s:/tmp\n", t->user[0] != '\0' ? t->user : s->ssh.user,
				t->host);
		json_string(j, NULL, t->node);
	}
	json_array_end(j);
}

/* --- the action --------------------------------------------------------------------------------------------------- */

static int targets_parse(struct sending *s, struct fault *f)
{
	if (ssh_check(&s->ssh, f) < 0)
		return -1;
	for (size_t i = 0; i < s->count; i++) {
		if (target_parse(s->act->operands[i], &s->nodes[i].target, f) < 0)
			return -1;
		for (size_t k = 0; k < i; k++)
			if (strcmp(s->act->operands[i], s->act->operands[k]) == 0)
				return fault_usage(f, "node '%s' is named twice", SHOWN(s->act->operands[i]));
	}
	return 0;
}

/* Opens the file of --file, which must be a complete sealed one, or seals this node's bundle. */
static int file_open(struct sending *s, struct fault *f)
{
	BUNDLE_INPUT_AUTO input = BUNDLE_INPUT_INIT;
	const char *path = s->act->options->file;
	struct bundle_sealed sealed;

	if (path == NULL)
		return bundle_act_claim(s->act, f) < 0 ? -1 : bundle_seal_unnamed(s->act, &s->file, &s->size, f);
	if (bundle_input_open(path, &input, f) < 0 || bundle_sealed_look(input.fd, path, &sealed, f) < 0)
		return -1;
	s->size = (uint64_t)input.status.st_size;
	s->file = fs_take(&input.fd);
	return 0;
}

/* Chooses a name in /tmp that nobody can guess, and writes the command for it. */
static int receive_prepare(struct sending *s, struct fault *f)
{
	unsigned char random[16];
	char hex[HEX_SIZE(sizeof(random))];

	if (bundle_random(random, sizeof(random), f) < 0)
		return -1;
	hex_encode(random, sizeof(random), hex);
	(void)snprintf(s->node_path, sizeof(s->node_path), "/tmp/hsmbundle-%s.okvb", hex);
	receive_command(&s->receive, s->node_path, s->size);
	return text_check(&s->receive, f);
}

static int sending_run(struct sending *s, struct fault *f)
{
	for (size_t i = 0; i < s->jobs; i++)
		s->connections[i].child = (struct proc_child){ 0 };
	if (targets_parse(s, f) < 0 || file_open(s, f) < 0)
		return -1;
	if (!s->act->dry_run) {
		const int r = receive_prepare(s, f) < 0 ? -1 : nodes_send(s, f);
		for (size_t i = 0; i < s->jobs; i++)
			proc_child_kill(&s->connections[i].child);
		if (r < 0)
			return -1;
	}
	const size_t done = s->act->dry_run ? s->count : sent_show(s, s->act->lines, s->act->result);
	if (s->act->dry_run)
		plan_show(s, s->act->lines, s->act->result);
	if (done < s->count)
		return fault_incomplete(
			f, "%zu of %zu nodes did not get the bundle; send it again to those marked FAILED%s",
			s->count - done, s->count,
			s->ssh.ask ? "" : "; with --ask, ssh can ask for passwords and host keys");
	return 0;
}

/* The variables that ssh needs to find keys and to ask. */
static void environment_make(struct sending *s)
{
	static const char *const names[] = { "HOME", "SSH_AUTH_SOCK", "TERM" };
	size_t count = 0;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (getenv(names[i]) != NULL) {
			struct text *line = &s->environment_lines[count];
			text_add_format(line, "%s=%s", names[i], getenv(names[i]));
			s->environment[count++] = text_string(line);
		}
}

int bundle_act_send(const struct bundle_act *act, struct fault *f)
{
	const struct bundle_options *o = act->options;
	struct sending s = {
		.act = act,
		.ssh = { .user = o->user != NULL ? o->user : SETTINGS_SUPPORT_USER,
			 .port = o->port,
			 .identity = o->identity,
			 .options = &o->ssh_options,
			 .ask = o->ask },
		.timeout_ms = (unsigned)(o->timeout != 0 ? o->timeout : TIMEOUT_DEFAULT) * 1000,
		.count = act->operand_count,
		/* If ssh may ask, one node after another. */
		.jobs = o->ask         ? 1
			: o->jobs != 0 ? (size_t)o->jobs
				       : JOBS_DEFAULT,
		.file = -1,
	};

	if (o->file != NULL && !bundle_source_is_terminal(&act->passphrase))
		return fault_usage(f, "send --file needs no passphrase: the file is sealed already");
	environment_make(&s);
	s.nodes = calloc(s.count, sizeof(*s.nodes));
	s.connections = calloc(s.jobs, sizeof(*s.connections));
	const int r = s.nodes != NULL && s.connections != NULL ? sending_run(&s, f) : fault_memory(f);
	free(s.nodes);
	free(s.connections);
	fs_close(&s.file);
	text_done(&s.receive);
	for (size_t i = 0; i < 3; i++)
		text_done(&s.environment_lines[i]);
	return r;
}
