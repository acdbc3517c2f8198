/* The command tables: every one must be usable by the parser, help, completion and manual. */
#include "test.h"

#include "base/strv.h"
#include "cli/cli-internal.h"

static void check_option(const struct command *c, const struct opt *o)
{
	size_t len = o->help ? strlen(o->help) : 0;
	bool has_value = o->kind != OPT_BOOL && o->kind != OPT_TRISTATE && o->kind != OPT_OPTSTR;

	ck_assert_msg(o->name && o->help, "%s: an option without name or help", c->name);
	ck_assert_msg(has_value == (o->arg != NULL) || o->kind == OPT_OPTSTR,
	              "%s --%s: placeholder and kind disagree", c->name, o->name);
	ck_assert_msg(len && (o->help[len - 1] != '.' || (len > 3 && o->help[len - 2] == '.')),
	              "%s --%s: help ends with a full stop", c->name, o->name);
}

static void check_command(const struct command *c)
{
	AUTO_STRV names = STRV_INIT;

	ck_assert_msg(c->summary != NULL, "%s: no summary", c->name);
	ck_assert_msg((c->sub != NULL) != (c->run != NULL), "%s: group or command?", c->name);
	for (size_t i = 0; c->tables[i]; i++)
		for (const struct opt *o = c->tables[i]; o->kind; o++) {
			char letter[] = { '-', o->letter, '\0' };

			check_option(c, o);
			ck_assert_msg(!strv_has(&names, o->name), "%s: --%s twice", c->name,
			              o->name);
			strv_add(&names, o->name);
			if (!o->letter)
				continue;
			ck_assert_msg(!strv_has(&names, letter), "%s: %s twice", c->name, letter);
			strv_add(&names, letter);
		}
}

START_TEST(tables_are_sound)
{
	AUTO_STRV names = STRV_INIT;
	struct command *all;

	cli_commands_init();
	all = cli_flat();
	for (const struct command *c = all; c->name; c++) {
		check_command(c);
		ck_assert_msg(!strv_has(&names, c->name), "%s twice", c->name);
		strv_add(&names, c->name);
		for (const struct command *s = c->sub; s && s->name; s++)
			check_command(s);
	}
	free(all);
	ck_assert_uint_gt(names.len, 30);
}
END_TEST

START_TEST(commands_are_found)
{
	cli_commands_init();
	ck_assert_ptr_eq(cli_find("ps"), &cmd_ps);
	ck_assert_ptr_null(cli_find("nope"));
	ck_assert_ptr_eq(command_find(cli_find("container")->sub, "list")->run, cmd_ps.run);
	ck_assert_ptr_nonnull(command_find(cli_find("image")->sub, "rm"));
	ck_assert_ptr_nonnull(command_find(cli_find("volume")->sub, "inspect"));
}
END_TEST

START_TEST(filters)
{
	struct cmd_ctx ctx = { 0 };
	AUTO_STRV v = STRV_INIT;

	ck_assert_str_eq(cli_filter_value("name=web", "name"), "web");
	ck_assert_ptr_null(cli_filter_value("names=web", "name"));
	strv_add(&v, "name=a");
	strv_add(&v, "label=k=v");
	ck_assert_int_eq(cli_check_filters(&ctx, &v, "name,label"), 0);
	ck_assert_int_eq(cli_check_filters(&ctx, &v, "name"), -1);
	ck_assert_str_eq(ctx.err.msg, "option --filter: 'label' is not a filter");
	strv_add(&v, "plain");
	ck_assert_int_eq(cli_check_filters(&ctx, &v, "name,label"), -1);
	ck_assert_str_eq(ctx.err.msg, "option --filter: 'plain' is not of the form KEY=VALUE");
}
END_TEST

START_TEST(short_ids)
{
	char buf[13];

	ck_assert_str_eq(cli_short_id("sha256:0123456789abcdef", false, buf), "0123456789ab");
	ck_assert_str_eq(cli_short_id("0123456789abcdef", false, buf), "0123456789ab");
	ck_assert_str_eq(cli_short_id("sha256:0123", true, buf), "sha256:0123");
}
END_TEST

TEST_MAIN("commands", tables_are_sound, commands_are_found, filters, short_ids)
