/*
 * conf/finding: a problem of a configuration, its effect, and the remedy.
 *
 * Promise: every finding says where it is, what is wrong, what OKV or the library will do about it, and how to fix it,
 * for people and for programs; outside text in it is printable.  If memory runs out the list is marked as failed, and
 * the caller checks once, at the end.
 */
#ifndef OKV_CONF_FINDING_H
#define OKV_CONF_FINDING_H

#include <stdbool.h>
#include <stddef.h>

#include "base/json.h"
#include "base/text.h"

enum finding_severity {
	FINDING_NOTE, /* for information; nothing to fix */
	FINDING_WARN, /* works now, may fail later */
	FINDING_FAIL, /* OKV or the library will not work as intended */
};

struct finding {
	enum finding_severity severity;
	const char *rule; /* a stable word for scripts: "preserved-wildcard" */
	char *file;       /* full path below the root */
	size_t line;      /* 1-based; 0: the file as a whole */
	char *what;
	char *effect;
	char *remedy; /* a command to type as it stands, or a sentence if it takes a person */
	bool moot;    /* harmless if the library reaches its HSM all the same */
	bool hides;   /* it can hide a slot or a key */
};

/* Start from { 0 }. */
struct finding_list {
	struct finding *items; /* owned */
	size_t count;
	const char *file; /* borrowed: the file that the next findings are about */
	bool failed;      /* a finding is missing, because memory ran out */
};

#define FINDING_LIST_AUTO __attribute__((cleanup(finding_list_done))) struct finding_list

void finding_list_done(struct finding_list *findings);
size_t finding_list_count(const struct finding_list *findings, enum finding_severity severity);

/* The constant part of a finding; `word` must be a literal. */
struct finding_rule {
	enum finding_severity severity;
	const char *word, *effect, *remedy;
	bool moot, hides;
};
#define FINDING_RULE(...) \
	&(const struct finding_rule) \
	{ \
		.severity = __VA_ARGS__ \
	}

/* Is the remedy a command?  Its first word tells: `okv-luna` or a system program, and no sentence begins with one. */
bool finding_remedy_is_command(const char *remedy);

/* Remedies that are commands. */
#define FINDING_FIX_IT  "okv-luna config check --fix"
#define FINDING_WIRE_IT "okv-luna config wire"
/* Remedies in words.  Checks share them, so that one cause is told once. */
#define FINDING_INSTALL_IT \
	"install the client: the vendor's own installation, or okv-luna extract with its archive; step by step: " \
	"okv-luna guide"
#define FINDING_RESTORE_IT "put OKV's own file back, as another node of this release has it"
#define FINDING_SUPPLY_IT  "install what is missing, or correct the path"
/* Does FINDING_FIX_IT fix it, so that nobody has to review the change? */
bool finding_is_safe(const struct finding *finding);

/* Adds a finding about found->file. */
void finding_add(struct finding_list *found, const struct finding_rule *rule, size_t line, const char *what, ...)
	__attribute__((format(printf, 4, 5)));
/* Sets the remedy of the last finding, if it depends on the case. */
void finding_set_remedy(struct finding_list *found, const char *remedy, ...) __attribute__((format(printf, 2, 3)));
void finding_list_drop(struct finding_list *findings, bool (*should_drop)(const struct finding *finding));

/* Collects line numbers, for a finding about several lines. */
struct finding_lines {
	size_t count, second;
	struct text more; /* "; also on lines 3, 5", to append to `what`; empty for a single line */
};
#define FINDING_LINES_AUTO __attribute__((cleanup(finding_lines_done))) struct finding_lines
void finding_lines_add(struct finding_lines *lines, size_t line);
void finding_lines_done(struct finding_lines *lines);

enum finding_colour { FINDING_PLAIN, FINDING_COLOURED };

/* Three lines for each finding: where and what, effect, remedy; then the totals. */
void finding_list_format(const struct finding_list *findings, enum finding_colour colour, struct text *out);
/* Adds the members "fail", "warn" and "findings" to the open object. */
void finding_list_json(const struct finding_list *findings, struct json *j);

#endif
