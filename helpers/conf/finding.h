/*
 * conf/finding: what is wrong with a configuration, what comes of it, and what fixes it.
 *
 * Promise: every finding says where it is, what is wrong, what OKV or the library will do with it, and the command that
 * fixes it, for people and for programs; outside text in it is printable.  Who lacks memory for one marks the findings
 * as failed, and the user checks once, at the end.
 */
#ifndef OKV_CONF_FINDING_H
#define OKV_CONF_FINDING_H

#include <stdbool.h>
#include <stddef.h>

#include "base/json.h"
#include "base/text.h"

enum finding_severity {
	FINDING_NOTE, /* what applies here and why; nothing to fix */
	FINDING_WARN, /* works today, may not tomorrow */
	FINDING_FAIL, /* OKV or the library will not do what is wanted */
};

struct finding {
	enum finding_severity severity;
	const char *rule; /* a stable word for scripts: "preserved-wildcard" */
	char *file;       /* full path below the root */
	size_t line;      /* 1-based; 0: the file as a whole */
	char *what;
	char *effect;
	char *remedy; /* a command that can be typed as it stands, or a sentence where a person has to do it */
	bool moot;    /* it only keeps the library from its HSM: where that answers, it does no harm */
	bool hides;   /* a slot or a key may not show */
};

/* Start from { 0 }. */
struct finding_list {
	struct finding *items; /* owned */
	size_t count;
	const char *file; /* borrowed: what the next findings are about */
	bool failed;      /* for lack of memory, one is missing */
};

#define FINDING_LIST_AUTO __attribute__((cleanup(finding_list_done))) struct finding_list

void finding_list_done(struct finding_list *findings);
size_t finding_list_count(const struct finding_list *findings, enum finding_severity severity);

/* What a finding says beside its place and its facts, in this order; `word` must be a literal. */
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

/* Is it one, by its first word: ours, or a program of the system's?  No sentence begins with such a word. */
bool finding_remedy_is_command(const char *remedy);

/* Commands that fix. */
#define FINDING_FIX_IT  "okv-luna config check --fix"
#define FINDING_WIRE_IT "okv-luna config wire"
/* What a person does, in words that two checks share, so that one cause is told once. */
#define FINDING_INSTALL_IT \
	"install the client: the vendor's own installation, or okv-luna extract with its archive; step by step: " \
	"okv-luna guide"
#define FINDING_RESTORE_IT "put OKV's own file back, as another node of this release has it"
#define FINDING_SUPPLY_IT  "install what is missing, or correct the path"
/* Nobody has to look at what the first of them does. */
bool finding_is_safe(const struct finding *finding);

/* Adds a finding about found->file. */
void finding_add(struct finding_list *found, const struct finding_rule *rule, size_t line, const char *what, ...)
	__attribute__((format(printf, 4, 5)));
/* The remedy of the finding added last, where the rule has none: it depends on the case. */
void finding_set_remedy(struct finding_list *found, const char *remedy, ...) __attribute__((format(printf, 2, 3)));
void finding_list_drop(struct finding_list *findings, bool (*is_meant)(const struct finding *finding));

/* The lines that one finding is about, where its cause stands on several. */
struct finding_lines {
	size_t count;
	struct text more; /* "; also on lines 3, 5", to be put behind what is wrong; empty for a single line */
};
#define FINDING_LINES_AUTO __attribute__((cleanup(finding_lines_done))) struct finding_lines
void finding_lines_add(struct finding_lines *lines, size_t line);
void finding_lines_done(struct finding_lines *lines);

enum finding_colour { FINDING_PLAIN, FINDING_COLOURED };

/* Three lines each: where and what, what comes of it, how to fix it; then how many there are. */
void finding_list_format(const struct finding_list *findings, enum finding_colour colour, struct text *out);
/* Members "fail", "warn" and "findings" of the object that is open. */
void finding_list_json(const struct finding_list *findings, struct json *j);

#endif
