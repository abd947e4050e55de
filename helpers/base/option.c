#include "base/option.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/nearest.h"
#include "base/number.h"

void option_list_done(struct option_list *list)
{
	free(list->items);
	*list = (struct option_list){ 0 };
}

static int list_add(struct option_list *list, const char *item, struct fault *f)
{
	if (!ARRAY_GROW(list->items, list->count))
		return fault_memory(f);
	list->items[list->count++] = item;
	return 0;
}

/* Finds an option in either table by its long name or, if that is NULL, by its letter. */
static const struct option *find(const struct option *table, const struct option *more, const char *name, size_t length,
				 char letter)
{
	const struct option *const tables[] = { table, more };

	for (size_t i = 0; i < 2; i++)
		for (const struct option *option = tables[i]; option != NULL && option->name != NULL; option++)
			if (name != NULL ? text_equal(name, length, option->name) : option->letter == letter)
				return option;
	return NULL;
}

bool option_choice_has(const char *words, const char *value)
{
	const size_t length = strlen(value);

	while (*words != '\0') {
		const size_t word = strcspn(words, "|");
		if (word == length && memcmp(words, value, length) == 0)
			return length > 0;
		words += word;
		if (*words == '|')
			words++;
	}
	return false;
}

static int unknown_long(const struct option *table, const struct option *more, const char *name, size_t length,
			struct fault *f)
{
	struct nearest nearest = { .word = name, .length = length };
	char hint[NEAREST_HINT_SIZE];
	const struct option *const tables[] = { table, more };

	for (size_t i = 0; i < 2; i++)
		for (const struct option *option = tables[i]; option != NULL && option->name != NULL; option++)
			if (option->help != NULL)
				nearest_offer(&nearest, option->name);
	return fault_usage(f, "unknown option '--%s'%s", SHOWN_BYTES(name, length),
			   nearest_hint(&nearest, "--", "; see --help", hint));
}

static int store(const struct option *option, const char *value, struct fault *f)
{
	char what[64] = "--";
	strncat(what, option->name, sizeof(what) - 3);

	int r = 0;
	switch (option->kind) {
	case OPTION_FLAG:
		*(bool *)option->target = true;
		return 0;
	case OPTION_CHOICE:
		if (!option_choice_has(option->argument, value))
			return fault_usage(f, "%s takes one of %s, not '%s'", what, option->argument, SHOWN(value));
		/* fall through */
	case OPTION_TEXT:
		if (*(const char **)option->target != NULL)
			return fault_usage(f, "%s is given twice", what);
		*(const char **)option->target = value;
		return 0;
	case OPTION_NUMBER:
		r = number_parse(value, what, option->least, option->most, option->target, f);
		break;
	case OPTION_SIZE:
		r = number_parse_size(value, what, option->target, f);
		break;
	case OPTION_SECONDS:
		r = number_parse_seconds(value, what, option->target, f);
		break;
	case OPTION_LIST:
		return list_add(option->target, value, f);
	}
	if (r < 0 && f->kind == FAULT_REFUSED)
		f->kind = FAULT_USAGE;
	return r;
}

static int parse_long(const struct option *table, const struct option *more, int argc, char *const argv[], int *at,
		      struct fault *f)
{
	const char *name = argv[*at] + 2;
	const char *equals = strchr(name, '=');
	const size_t length = equals != NULL ? (size_t)(equals - name) : strlen(name);
	const struct option *option = find(table, more, name, length, '\0');

	if (option == NULL)
		return unknown_long(table, more, name, length, f);
	if (option->kind == OPTION_FLAG) {
		if (equals != NULL)
			return fault_usage(f, "--%s takes no value", option->name);
		return store(option, NULL, f);
	}
	if (equals != NULL)
		return store(option, equals + 1, f);
	if (*at + 1 >= argc)
		return fault_usage(f, "--%s needs a value: %s", option->name, option->argument);
	return store(option, argv[++*at], f);
}

static int parse_letters(const struct option *table, const struct option *more, int argc, char *const argv[], int *at,
			 struct fault *f)
{
	for (const char *letter = argv[*at] + 1; *letter != '\0'; letter++) {
		const struct option *option = find(table, more, NULL, 0, *letter);

		if (option == NULL)
			return fault_usage(f, "unknown option '-%s'; see --help", SHOWN_BYTES(letter, 1));
		if (option->kind == OPTION_FLAG) {
			if (store(option, NULL, f) < 0)
				return -1;
			continue;
		}
		if (letter[1] != '\0')
			return store(option, letter + 1, f);
		if (*at + 1 >= argc)
			return fault_usage(f, "-%c needs a value: %s", option->letter, option->argument);
		return store(option, argv[++*at], f);
	}
	return 0;
}

/* "-1" is a value: no option is a digit. */
static bool is_number(const char *word)
{
	return word[strspn(word, "0123456789.")] == '\0';
}

int option_parse(int argc, char *const argv[], const struct option *table, const struct option *more,
		 struct option_list *ret_operands, struct fault *f)
{
	bool options = true;

	for (int at = 1; at < argc; at++) {
		const char *word = argv[at];
		int r;

		if (options && strcmp(word, "--") == 0) {
			options = false;
			continue;
		}
		if (options && text_starts(word, "--"))
			r = parse_long(table, more, argc, argv, &at, f);
		else if (options && word[0] == '-' && word[1] != '\0' && !is_number(word + 1))
			r = parse_letters(table, more, argc, argv, &at, f);
		else
			r = list_add(ret_operands, word, f);
		if (r < 0)
			return -1;
	}
	return 0;
}

enum { HELP_COLUMN = 28, HELP_COLUMNS = 80 };

void option_help_wrap(struct text *out, const char *line, size_t indent)
{
	while (strlen(line) > HELP_COLUMNS - indent) {
		size_t cut = HELP_COLUMNS - indent;
		while (cut > 0 && line[cut] != ' ')
			cut--;
		if (cut == 0)
			break;
		text_add_format(out, "%.*s\n%*s", (int)cut, line, (int)indent, "");
		line += cut + 1;
	}
	text_add_format(out, "%s\n", line);
}

void option_help(struct text *out, const struct option *table)
{
	for (; table != NULL && table->name != NULL; table++) {
		const size_t start = out->length;

		if (table->help == NULL)
			continue;
		if (table->letter != 0)
			text_add_format(out, "  -%c, --%s", table->letter, table->name);
		else
			text_add_format(out, "      --%s", table->name);
		if (table->argument != NULL)
			text_add_format(out, " %s", table->argument);
		if (out->length - start > HELP_COLUMN - 2)
			text_add_format(out, "\n%*s", HELP_COLUMN, "");
		else
			text_add_format(out, "%*s", HELP_COLUMN - (int)(out->length - start), "");
		option_help_wrap(out, table->help, HELP_COLUMN);
	}
}

void option_words(struct text *out, const struct option *table)
{
	for (; table != NULL && table->name != NULL; table++) {
		if (table->help == NULL)
			continue;
		text_add_format(out, "--%s%s", table->name, table->kind == OPTION_FLAG ? "" : "=");
		if (table->kind == OPTION_CHOICE)
			text_add_format(out, "\t%s", table->argument);
		text_add_char(out, '\n');
	}
}
