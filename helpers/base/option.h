/*
 * base/option: one table of options per tool.
 *
 * Promise: the table gives the parser, --help, the check of the man page and shell completion.  Long options are --name
 * VALUE or --name=VALUE; short flags can be bundled; "--" ends options; operands and options can be mixed; there are no
 * abbreviations; "-1" is a value.  Repeating a text option is an error, so that the last one does not win silently.
 */
#ifndef OKV_BASE_OPTION_H
#define OKV_BASE_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/text.h"

enum option_kind {
	OPTION_FLAG,    /* target: bool *, set to true */
	OPTION_TEXT,    /* target: const char **, borrowed from argv */
	OPTION_CHOICE,  /* target: const char **; one of the words in `argument`, "a|b|c" */
	OPTION_NUMBER,  /* target: uint64_t *; from `least` to `most` */
	OPTION_SIZE,    /* target: uint64_t *; bytes, suffixes K M G T */
	OPTION_SECONDS, /* target: uint64_t *; seconds, suffixes s m h d */
	OPTION_LIST,    /* target: struct option_list *; may be repeated */
};

/* Starts as { 0 }; ends with option_list_done. */
struct option_list {
	const char **items; /* owned array of borrowed strings */
	size_t count;
};
void option_list_done(struct option_list *list);

struct option {
	char letter;      /* 0: none */
	const char *name; /* without the dashes */
	enum option_kind kind;
	const char *argument; /* its name in help ("DIR"), or the words of a choice; NULL for a flag */
	uint64_t least, most; /* OPTION_NUMBER */
	const char *help;     /* one line, no full stop; NULL hides the option from help and completion */
	void *target;
};
/* A row of a table, with a range if it holds a number.  A table ends with OPTION_END, whose name is NULL. */
#define OPTION_ROW(letter_, name_, kind_, target_, argument_, help_) \
	OPTION_RANGE(letter_, name_, kind_, 0, 0, target_, argument_, help_)
#define OPTION_RANGE(letter_, name_, kind_, least_, most_, target_, argument_, help_) \
	{ \
		.letter = (letter_), .name = (name_), .kind = (kind_), .argument = (argument_), .least = (least_), \
		.most = (most_), .help = (help_), .target = (target_) \
	}
#define OPTION_END \
	{ \
		.name = NULL \
	}

/*
 * Parses argv[1..argc-1] by both tables (`more` may be NULL); appends operands in order.  FAULT_USAGE names the option
 * and says what would be right.
 */
int option_parse(int argc, char *const argv[], const struct option *table, const struct option *more,
		 struct option_list *ret_operands, struct fault *f);
/* Is `value` one of the words "a|b|c"? */
bool option_choice_has(const char *words, const char *value);
/* Adds a line of help, wrapped to 80 columns; its first `indent` columns have already been written. */
void option_help_wrap(struct text *out, const char *line, size_t indent);
/* Adds the help of one table, in two columns. */
void option_help(struct text *out, const struct option *table);
/* Adds one completion line per option: "--name" or "--name=" followed by the words of a choice after a TAB. */
void option_words(struct text *out, const struct option *table);

#endif
