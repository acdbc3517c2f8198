#pragma GCC diagnostic ignored "-Wmissing-field-initializers" /* as in every table */
#include "base/opt.h"

#include "test.h"

struct values {
	bool detach, tty;
	int init;
	const char *name, *since;
	struct strv env;
	int64_t oom, swap, timeout_ms;
	uint64_t pids, memory;
	double cpus;
};

static const struct opt table_a[] = {
	{ "detach", 'd', OPT_BOOL, OPT(struct values, detach), NULL, "run in the background" },
	{ "tty", 't', OPT_BOOL, OPT(struct values, tty), NULL, "make a terminal" },
	{ "name", 'n', OPT_STR, OPT(struct values, name), "NAME", "call it NAME" },
	{ "env", 'e', OPT_LIST, OPT(struct values, env), "NAME=VALUE", "set a variable" },
	{ "secret", 0, OPT_BOOL, OPT(struct values, tty), NULL, "not shown", OPT_HIDDEN },
	OPT_END,
};
static const struct opt table_b[] = {
	{ "init", 0, OPT_TRISTATE, OPT(struct values, init), NULL, "run an init" },
	{ "since", 0, OPT_OPTSTR, OPT(struct values, since), "TIME", "from TIME" },
	{ "oom", 0, OPT_INT, OPT(struct values, oom), "N", "score" },
	{ "pids", 0, OPT_UINT, OPT(struct values, pids), "N", "processes" },
	{ "memory", 'm', OPT_SIZE, OPT(struct values, memory), "SIZE", "memory" },
	{ "swap", 0, OPT_SSIZE, OPT(struct values, swap), "SIZE", "swap" },
	{ "cpus", 0, OPT_DOUBLE, OPT(struct values, cpus), "N", "cpus" },
	{ "timeout", 0, OPT_DURATION, OPT(struct values, timeout_ms), "TIME", "wait" },
	OPT_END,
};
static const struct command run = { .name = "run",
	                            .args = "IMAGE [COMMAND...]",
	                            .summary = "run a container",
	                            .tables = { table_a, table_b },
	                            .min_args = 1,
	                            .max_args = -1,
	                            .stop_at_args = true };
static const struct command ps = {
	.name = "ps", .aliases = "list,ls", .summary = "list", .tables = { table_a }, .max_args = 0
};
static const struct command remove_one = { .name = "rm",
	                                   .args = "NAME",
	                                   .summary = "remove",
	                                   .tables = { table_a },
	                                   .min_args = 1,
	                                   .max_args = 1 };
static const struct command commands[] = {
	{ .name = "run", .summary = "run" },
	{ .name = "remove", .aliases = "rm,delete", .summary = "remove" },
	{ .name = "__inner", .summary = "inner", .hidden = true },
	{ 0 },
};

static struct err e;
static struct values v;
static struct strv args;

/* parse(&cmd, "-d", "x"): argv with the command's name put before. */
static int parse_argv(const struct command *cmd, char **argv)
{
	int argc = 0;

	while (argv[argc])
		argc++;
	v = (struct values){ .init = -1 };
	args = STRV_INIT;
	return opt_parse(cmd, "dhow", &v, argc, argv, &args, &e);
}
#define parse(cmd, ...) parse_argv((cmd), (char *[]){ (char *)"x", ##__VA_ARGS__, NULL })
#define S(text)         ((char[]){ text })

START_TEST(every_spelling_of_a_value)
{
	CHECK_OK(parse(&run, S("--name=a"), S("-ex=1"), S("-e"), S("y=2"), S("--env"), S("z=3"),
	               S("i")));
	ck_assert_str_eq(v.name, "a");
	ck_assert_uint_eq(v.env.len, 3);
	ck_assert_str_eq(v.env.items[0], "x=1");
	ck_assert_str_eq(v.env.items[1], "y=2");
	ck_assert_str_eq(v.env.items[2], "z=3");
	CHECK_OK(parse(&run, S("-dtn"), S("b"), S("i")));
	ck_assert(v.detach && v.tty);
	ck_assert_str_eq(v.name, "b");
	CHECK_OK(parse(&run, S("-dnb"), S("i")));
	ck_assert_str_eq(v.name, "b");
	CHECK_OK(parse(&run, S("-n=b"), S("i")));
	ck_assert_str_eq(v.name, "b");
	CHECK_OK(parse(&run, S("--name="), S("i")));
	ck_assert_str_eq(v.name, "");
	CHECK_OK(parse(&run, S("--name"), S("--"), S("i")));
	ck_assert_str_eq(v.name, "--");
}
END_TEST

START_TEST(booleans)
{
	CHECK_OK(parse(&run, S("--detach"), S("--tty=false"), S("i")));
	ck_assert(v.detach && !v.tty);
	ck_assert_int_eq(v.init, -1);
	CHECK_OK(parse(&run, S("--init=0"), S("--detach"), S("--detach=false"), S("i")));
	ck_assert(!v.detach);
	ck_assert_int_eq(v.init, 0);
	CHECK_OK(parse(&run, S("-d=false"), S("--init"), S("i")));
	ck_assert(!v.detach);
	ck_assert_int_eq(v.init, 1);
	CHECK_ERR(E_INVALID, parse(&run, S("--detach=maybe"), S("i")));
	ck_assert_str_eq(e.msg, "run: option --detach: 'maybe' is not true or false");
	CHECK_ERR(E_INVALID, parse(&run, S("--detach="), S("i")));
}
END_TEST

START_TEST(typed_values)
{
	CHECK_OK(parse(&run, S("--oom=-5"), S("--pids=9"), S("-m64m"), S("--swap=-1"),
	               S("--cpus=1.5"), S("--timeout=1m"), S("--since"), S("i")));
	ck_assert_int_eq(v.oom, -5);
	ck_assert_uint_eq(v.pids, 9);
	ck_assert_uint_eq(v.memory, 64u << 20);
	ck_assert_int_eq(v.swap, -1);
	ck_assert_double_eq(v.cpus, 1.5);
	ck_assert_int_eq(v.timeout_ms, 60000);
	ck_assert_str_eq(v.since, "");
	ck_assert_str_eq(args.items[0], "i"); /* not taken as the value of --since */
	CHECK_OK(parse(&run, S("--since=1h"), S("i")));
	ck_assert_str_eq(v.since, "1h");
	CHECK_ERR(E_INVALID, parse(&run, S("--pids=-1"), S("i")));
	CHECK_ERR(E_INVALID, parse(&run, S("--memory=x"), S("i")));
	ck_assert_str_eq(e.msg, "run: option --memory: 'x' is not a size such as 512m or 2g");
	CHECK_ERR(E_INVALID, parse(&run, S("--swap=16000000000000000000"), S("i")));
	ck_assert_msg(strstr(e.msg, "out of range"), "%s", e.msg);
	CHECK_ERR(E_INVALID, parse(&run, S("--swap=-2"), S("i")));
}
END_TEST

START_TEST(where_options_end)
{
	CHECK_OK(parse(&run, S("-d"), S("img"), S("ls"), S("-l"), S("--name=x"), S("--")));
	ck_assert_uint_eq(args.len, 5);
	ck_assert_ptr_null(v.name);
	CHECK_OK(parse(&run, S("--"), S("-d")));
	ck_assert_str_eq(args.items[0], "-d");
	ck_assert(!v.detach);
	CHECK_OK(parse(&remove_one, S("c1"), S("-d"))); /* options may follow here */
	ck_assert(v.detach);
	CHECK_OK(parse(&remove_one, S("-")));
	ck_assert_str_eq(args.items[0], "-");
}
END_TEST

START_TEST(refusals_say_what_and_where)
{
	CHECK_ERR(E_INVALID, parse(&run, S("--nmae=x"), S("i")));
	ck_assert_str_eq(e.msg, "run: unknown option '--nmae=x'");
	ck_assert_str_eq(e.hint, "see 'dhow run --help'");
	CHECK_ERR(E_INVALID, parse(&run, S("-dz"), S("i")));
	CHECK_ERR(E_INVALID, parse(&run, S("--nam"), S("i"))); /* no abbreviations */
	CHECK_ERR(E_INVALID, parse(&run, S("--name")));
	ck_assert_str_eq(e.msg, "run: option --name needs a value");
	CHECK_ERR(E_INVALID, parse(&run, S("-e")));
	CHECK_ERR(E_INVALID, parse(&run));
	ck_assert_str_eq(e.msg, "run: needs at least 1 argument, got 0");
	CHECK_ERR(E_INVALID, parse(&remove_one, S("a"), S("b")));
	ck_assert_str_eq(e.msg, "rm: takes 1 argument, got 2 ('b')");
	CHECK_ERR(E_INVALID, parse(&ps, S("a")));
	ck_assert_str_eq(e.msg, "ps: takes 0 arguments, got 1 ('a')");
	CHECK_ERR(E_INVALID, parse(&run, S("---"), S("i")));
	CHECK_ERR(E_INVALID, parse(&run, S("--="), S("i")));
}
END_TEST

START_TEST(globals_stop_at_the_command)
{
	char *argv[] = { S("dhow"), S("-d"), S("--name"), S("n"), S("run"), S("-d"), NULL };
	int index = 0;

	v = (struct values){ 0 };
	ck_assert_int_eq(opt_parse_globals(table_a, "dhow", &v, 6, argv, &index, &e), 0);
	ck_assert_int_eq(index, 4);
	ck_assert_str_eq(v.name, "n");
}
END_TEST

START_TEST(commands_by_name_and_alias)
{
	ck_assert_str_eq(command_find(commands, "rm")->name, "remove");
	ck_assert_str_eq(command_find(commands, "delete")->name, "remove");
	ck_assert_ptr_null(command_find(commands, "del"));
	ck_assert_ptr_null(command_find(commands, ""));
	ck_assert_ptr_null(command_find(commands, "rm,delete"));
	ck_assert_str_eq(command_suggest(commands, "rnu"), "run");
	ck_assert_str_eq(command_suggest(commands, "remvoe"), "remove");
	ck_assert_ptr_null(command_suggest(commands, "quite-different"));
	ck_assert_ptr_null(command_suggest(commands, "_inner"));
	ck_assert_ptr_nonnull(opt_find(&run, "memory"));
	ck_assert_ptr_null(opt_find(&run, "mem"));
}
END_TEST

START_TEST(help_shows_each_option_once)
{
	AUTO_FREE char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	command_print_help(&run, "dhow", out);
	fclose(out);
	ck_assert_msg(!strncmp(text, "Usage: dhow run [OPTIONS] IMAGE [COMMAND...]\n", 45), "%s",
	              text);
	ck_assert_ptr_nonnull(strstr(text, "  -e, --env NAME=VALUE"));
	ck_assert_ptr_nonnull(strstr(text, "      --since[=TIME]"));
	ck_assert_ptr_null(strstr(text, "--secret"));
}
END_TEST

TEST_MAIN("opt", every_spelling_of_a_value, booleans, typed_values, where_options_end,
          refusals_say_what_and_where, globals_stop_at_the_command, commands_by_name_and_alias,
          help_shows_each_option_once)
