/* An expression becomes a program for a machine that is in several of its states at once; jumps
 * are relative, so that pieces can be moved and copied for repetitions. */
#include "base/pattern.h"

#include <ctype.h>
#include <stdint.h>

#include "base/xalloc.h"

#define PROGRAM_MAX 4096
#define REPEAT_MAX  255 /* RE_DUP_MAX */
#define DEPTH_MAX   100

enum op { OP_SET, OP_START, OP_END, OP_SPLIT, OP_JUMP, OP_MATCH };

struct insn {
	enum op op;
	int x, y; /* SPLIT: both; JUMP: x */
	uint8_t set[32];
};

struct pattern {
	struct insn *code;
	size_t len;
};

struct compiler {
	struct pattern *out;
	const char *at;
	int depth;
	bool failed;
};

static void emit(struct compiler *c, struct insn insn)
{
	if (c->out->len >= PROGRAM_MAX)
		c->failed = true;
	else
		VEC_PUSH(c->out->code, c->out->len, insn);
}

static void insert(struct compiler *c, size_t where, struct insn insn)
{
	emit(c, insn);
	if (c->failed)
		return;
	memmove(&c->out->code[where + 1], &c->out->code[where],
	        (c->out->len - 1 - where) * sizeof(insn));
	c->out->code[where] = insn;
}

static void set_bit(struct insn *i, unsigned byte)
{
	i->set[byte / 8] |= (uint8_t)(1u << byte % 8);
}

/* "[:alpha:]" and the like, at "[:". */
static bool add_class(struct compiler *c, struct insn *i)
{
	static const struct {
		const char *name;
		int (*is)(int);
	} classes[] = { { "alpha", isalpha }, { "digit", isdigit }, { "alnum", isalnum },
		        { "upper", isupper }, { "lower", islower }, { "space", isspace },
		        { "blank", isblank }, { "punct", ispunct }, { "print", isprint },
		        { "graph", isgraph }, { "cntrl", iscntrl }, { "xdigit", isxdigit } };

	for (size_t k = 0; k < ARRAY_LEN(classes); k++) {
		size_t len = strlen(classes[k].name);

		if (strncmp(c->at + 2, classes[k].name, len) != 0 ||
		    strncmp(c->at + 2 + len, ":]", 2) != 0)
			continue;
		for (int b = 0; b < 256; b++)
			if (classes[k].is(b))
				set_bit(i, (unsigned)b);
		c->at += len + 4;
		return true;
	}
	return false;
}

static void parse_set(struct compiler *c)
{
	struct insn i = { .op = OP_SET };
	bool negated = *c->at == '^', first = true;

	c->at += negated;
	for (; *c->at && (*c->at != ']' || first); first = false) {
		unsigned char from = (unsigned char)*c->at, to = from;

		if (c->at[0] == '[' && strchr(":.=", c->at[1]) && c->at[1]) {
			if (add_class(c, &i))
				continue;
			c->failed = true;
			return;
		}
		c->at++;
		if (c->at[0] == '-' && c->at[1] && c->at[1] != ']') {
			to = (unsigned char)c->at[1];
			c->at += 2;
		}
		c->failed |= to < from;
		for (unsigned b = from; b <= to; b++)
			set_bit(&i, b);
	}
	if (*c->at++ != ']') {
		c->failed = true;
		return;
	}
	for (size_t k = 0; negated && k < sizeof(i.set); k++)
		i.set[k] = (uint8_t)~i.set[k];
	emit(c, i);
}

static void parse_choice(struct compiler *c);

static void parse_atom(struct compiler *c)
{
	struct insn i = { .op = OP_SET };
	char ch = *c->at++;

	switch (ch) {
	case '(':
		if (++c->depth > DEPTH_MAX)
			c->failed = true;
		else
			parse_choice(c);
		c->depth--;
		if (!c->failed && *c->at++ != ')')
			c->failed = true;
		return;
	case '[':
		parse_set(c);
		return;
	case '^':
	case '$':
		emit(c, (struct insn){ .op = ch == '^' ? OP_START : OP_END });
		return;
	case '.':
		memset(i.set, 0xff, sizeof(i.set));
		break;
	case '*':
	case '+':
	case '?':
	case '{':
		c->failed = true; /* nothing to repeat */
		return;
	case '\\':
		if (!*c->at) {
			c->failed = true;
			return;
		}
		ch = *c->at++;
		set_bit(&i, (unsigned char)ch);
		break;
	default:
		set_bit(&i, (unsigned char)ch);
	}
	emit(c, i);
}

static void make_star(struct compiler *c, size_t start)
{
	int len = (int)(c->out->len - start);

	insert(c, start, (struct insn){ .op = OP_SPLIT, .x = 1, .y = len + 2 });
	emit(c, (struct insn){ .op = OP_JUMP, .x = -len - 1 });
}

static void make_optional(struct compiler *c, size_t start)
{
	int len = (int)(c->out->len - start);

	insert(c, start, (struct insn){ .op = OP_SPLIT, .x = 1, .y = len + 1 });
}

static void append(struct compiler *c, const struct insn *block, size_t len)
{
	for (size_t i = 0; i < len && !c->failed; i++)
		emit(c, block[i]);
}

/* {m}, {m,} or {m,n} of the block from start. */
static void make_times(struct compiler *c, size_t start, unsigned long min, long max)
{
	size_t len = c->out->len - start;
	AUTO_FREE struct insn *block =
		xmemdup(c->out->code + start, (len ? len : 1) * sizeof(struct insn));

	c->out->len = start;
	for (unsigned long i = 0; i < min && !c->failed; i++)
		append(c, block, len);
	if (max < 0) {
		size_t at = c->out->len;

		append(c, block, len);
		if (!c->failed)
			make_star(c, at);
	}
	for (long i = (long)min; i < max && !c->failed; i++) {
		size_t at = c->out->len;

		append(c, block, len);
		if (!c->failed)
			make_optional(c, at);
	}
}

static void parse_times(struct compiler *c, size_t start)
{
	char *end;
	unsigned long min;
	long max;

	if (!isdigit((unsigned char)*c->at)) {
		c->failed = true;
		return;
	}
	min = strtoul(c->at, &end, 10);
	max = (long)min;
	if (*end == ',' && end[1] == '}') {
		max = -1;
		end++;
	} else if (*end == ',' && isdigit((unsigned char)end[1])) {
		max = strtol(end + 1, &end, 10);
	}
	if (*end != '}' || min > REPEAT_MAX || max > REPEAT_MAX || (max >= 0 && max < (long)min)) {
		c->failed = true;
		return;
	}
	c->at = end + 1;
	make_times(c, start, min, max);
}

static void parse_sequence(struct compiler *c)
{
	while (!c->failed && *c->at && *c->at != '|' && !(*c->at == ')' && c->depth)) {
		size_t start = c->out->len;

		parse_atom(c);
		while (!c->failed && *c->at && strchr("*+?{", *c->at)) {
			switch (*c->at++) {
			case '*':
				make_star(c, start);
				break;
			case '?':
				make_optional(c, start);
				break;
			case '+':
				emit(c, (struct insn){ .op = OP_SPLIT,
				                       .x = -(int)(c->out->len - start),
				                       .y = 1 });
				break;
			default:
				parse_times(c, start);
			}
		}
	}
}

static void parse_choice(struct compiler *c)
{
	size_t start = c->out->len;

	parse_sequence(c);
	while (!c->failed && *c->at == '|') {
		size_t jump;
		int len = (int)(c->out->len - start);

		c->at++;
		insert(c, start, (struct insn){ .op = OP_SPLIT, .x = 1, .y = len + 2 });
		jump = c->out->len;
		emit(c, (struct insn){ .op = OP_JUMP });
		parse_sequence(c);
		if (!c->failed)
			c->out->code[jump].x = (int)(c->out->len - jump);
	}
}

struct pattern *pattern_new(const char *expression)
{
	struct compiler c = { .out = xcalloc(1, sizeof(struct pattern)), .at = expression };

	parse_choice(&c);
	emit(&c, (struct insn){ .op = OP_MATCH });
	if (!c.failed && !*c.at)
		return c.out;
	pattern_free(c.out);
	return NULL;
}

void pattern_free(struct pattern *p)
{
	free(p->code);
	free(p);
}

struct states {
	size_t *items, count;
	size_t *seen; /* per instruction: the step in which it was last added, plus one */
};

/* Follow everything that takes no byte; true when the end is reached. */
static bool add_state(const struct pattern *p, struct states *s, size_t pc, size_t step,
                      bool at_end)
{
	const struct insn *i = &p->code[pc];

	if (s->seen[pc] == step + 1)
		return false;
	s->seen[pc] = step + 1;
	switch (i->op) {
	case OP_MATCH:
		return true;
	case OP_JUMP:
		return add_state(p, s, pc + (size_t)i->x, step, at_end);
	case OP_SPLIT:
		return add_state(p, s, pc + (size_t)i->x, step, at_end) ||
		       add_state(p, s, pc + (size_t)i->y, step, at_end);
	case OP_START:
		return step == 0 && add_state(p, s, pc + 1, step, at_end);
	case OP_END:
		return at_end && add_state(p, s, pc + 1, step, at_end);
	case OP_SET:
		s->items[s->count++] = pc;
		return false;
	}
	return false;
}

bool pattern_matches(const struct pattern *p, const char *text)
{
	AUTO_FREE size_t *memory = xcalloc(p->len * 3, sizeof(size_t));
	struct states now = { memory, 0, memory + 2 * p->len };
	struct states next = { memory + p->len, 0, now.seen };

	for (size_t step = 0;; step++) {
		unsigned char byte = (unsigned char)text[step];
		struct states swap;

		/* also from here on */
		if (add_state(p, &now, 0, step, !byte))
			return true;
		if (!byte)
			return false;
		next.count = 0;
		for (size_t i = 0; i < now.count; i++)
			if (p->code[now.items[i]].set[byte / 8] >> byte % 8 & 1 &&
			    add_state(p, &next, now.items[i] + 1, step + 1, !text[step + 1]))
				return true;
		swap = now;
		now = next;
		next = swap;
	}
}
