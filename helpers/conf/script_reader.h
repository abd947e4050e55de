/*
 * conf/script_reader: the half of conf/script that goes through a script, a few bytes at a time.
 */
#ifndef OKV_CONF_SCRIPT_READER_H
#define OKV_CONF_SCRIPT_READER_H

#include <stdbool.h>
#include <stddef.h>

enum { SCRIPT_DEPTH_MAX = 200, SCRIPT_DOCUMENTS_MAX = 16, SCRIPT_DELIMITER_MAX = 128 };

/* What the reader is inside of. */
enum script_nest {
	SCRIPT_NEST_SUBSHELL,   /* ( ), also of a case pattern */
	SCRIPT_NEST_COMMAND,    /* $( ), <( ), >( ), and the words of an array */
	SCRIPT_NEST_ARITHMETIC, /* (( )), $(( )) */
	SCRIPT_NEST_GROUP,      /* a plain parenthesis inside arithmetic */
	SCRIPT_NEST_PARAMETER,  /* ${ } */
	SCRIPT_NEST_BACKTICK,
	SCRIPT_NEST_DOUBLE, /* "" */
	SCRIPT_NEST_SINGLE, /* '' */
	SCRIPT_NEST_BRACE,  /* { } */
	SCRIPT_NEST_IF,
	SCRIPT_NEST_LOOP,
	SCRIPT_NEST_CASE,
};

struct script_document {
	char delimiter[SCRIPT_DELIMITER_MAX];
	bool tabs; /* <<- */
};

struct script_reader {
	const char *bytes;
	size_t length, at;
	enum script_nest stack[SCRIPT_DEPTH_MAX];
	size_t depth;
	bool lost;
	bool command; /* the next word is in command position */
	bool operand; /* something is wanted yet, on a later line if need be: after | && || and name() */
	struct script_document documents[SCRIPT_DOCUMENTS_MAX];
	size_t document_count;
};

/* Inside quotes, ${ } or arithmetic, where line feeds, comments and commands are none. */
bool script_reader_quoted(const struct script_reader *r);
/* Outside everything: a line that begins here is a line of the script itself. */
bool script_reader_outer(const struct script_reader *r);
/* Passes over the next piece, at least one byte; a line feed in code is the caller's to pass. */
void script_reader_step(struct script_reader *r);

#endif
