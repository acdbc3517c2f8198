#include "test.h"

#include "cli/template.h"
#include "codec/json.h"

static struct err e;

static const char data[] =
	"{\"Id\":\"abc\",\"Name\":\"web\",\"State\":{\"Status\":\"running\",\"Pid\":42,"
	"\"Paused\":false,\"Error\":\"\"},\"Labels\":{\"b\":\"2\",\"a\":\"1\"},"
	"\"Args\":[\"x\",\"y z\"],\"Empty\":[],\"Null\":null,\"F\":1.5}";

/* The text a template prints over `data`, or an error's message after "!". In a static buffer. */
static const char *expand(const char *text)
{
	static char result[4096];
	AUTO_JSON *obj = json_tokener_parse(data);
	AUTO_TEMPLATE *t = NULL;
	AUTO_BUF out = STRBUF_INIT;

	if (template_parse(text, &t, &e) < 0 || template_exec(t, obj, &out, &e) < 0)
		snprintf(result, sizeof(result), "!%s", e.msg);
	else
		snprintf(result, sizeof(result), "%s", out.buf);
	return result;
}

#define CHECK_EXPAND(text, want) ck_assert_str_eq(expand(text), want)

START_TEST(fields_and_text)
{
	CHECK_EXPAND("plain", "plain");
	CHECK_EXPAND("", "");
	CHECK_EXPAND("{{.Name}}", "web");
	CHECK_EXPAND("a {{ .Name }} b", "a web b");
	CHECK_EXPAND("{{.State.Status}}/{{.State.Pid}}", "running/42");
	CHECK_EXPAND("{{.ID}}", "abc");
	CHECK_EXPAND("{{.State.Paused}} {{.F}} {{.Null}}", "false 1.5 <nil>");
	CHECK_EXPAND("{{.Args}} {{.Labels}} {{.Empty}}", "[x y z] map[a:1 b:2] []");
	CHECK_EXPAND("{{(index .Args 1)}}", "y z");
	CHECK_EXPAND("{{$.Name}}", "web");
	CHECK_EXPAND("{{with .State}}{{.Status}} {{$.Name}}{{end}}", "running web");
}
END_TEST

START_TEST(missing_fields)
{
	CHECK_EXPAND("{{.Nmae}}", "!template: can't evaluate field Nmae: there is none");
	ck_assert_str_eq(e.hint, "did you mean .Name?");
	CHECK_EXPAND("{{.Labels.nope}}", "<no value>");
	CHECK_EXPAND("{{index .Labels \"nope\"}}|", "|");
	CHECK_EXPAND("{{if index .Labels \"nope\"}}yes{{else}}no{{end}}", "no");
	CHECK_EXPAND("{{.Name.First}}",
	             "!template: can't evaluate field First in a value of type string");
}
END_TEST

START_TEST(conditions)
{
	CHECK_EXPAND("{{if .State.Paused}}p{{else if .Name}}n{{else}}x{{end}}", "n");
	CHECK_EXPAND("{{if and .Name .Empty}}a{{else}}b{{end}}", "b");
	CHECK_EXPAND("{{or .State.Error .Name}}", "web");
	CHECK_EXPAND("{{if not .Empty}}e{{end}}", "e");
	CHECK_EXPAND("{{if eq .Name \"db\" \"web\"}}y{{end}}", "y");
	CHECK_EXPAND("{{if ne .State.Pid 0}}up{{end}}", "up");
	CHECK_EXPAND("{{gt .State.Pid 41}} {{le 2 1}} {{lt 1.5 2}}", "true false true");
	/* and does not evaluate what follows a false value */
	CHECK_EXPAND("{{and .State.Error .Name.First}}", "");
	CHECK_EXPAND("{{eq .Name 1}}", "!template: a string and a int cannot be compared");
}
END_TEST

START_TEST(ranges_and_variables)
{
	CHECK_EXPAND("{{range .Args}}<{{.}}>{{end}}", "<x><y z>");
	CHECK_EXPAND("{{range $i, $a := .Args}}{{if $i}},{{end}}{{$i}}={{$a}}{{end}}", "0=x,1=y z");
	CHECK_EXPAND("{{range $k, $v := .Labels}}{{$k}}={{$v}};{{end}}", "a=1;b=2;");
	CHECK_EXPAND("{{range .Empty}}x{{else}}none{{end}}", "none");
	CHECK_EXPAND("{{$x := .Name}}{{range .Args}}{{$x}}{{end}}", "webweb");
	CHECK_EXPAND("{{$n := 0}}{{range .Args}}{{$n = .}}{{end}}{{$n}}", "y z");
	CHECK_EXPAND("{{range .Args}}{{if eq . \"x\"}}{{continue}}{{end}}{{.}}{{end}}", "y z");
	CHECK_EXPAND("{{range .Args}}{{.}}{{break}}{{end}}", "x");
	CHECK_EXPAND("{{$y}}", "!template: variable $y is not defined");
	CHECK_EXPAND("{{if .Name}}{{$y := 1}}{{end}}{{$y}}",
	             "!template: variable $y is not defined");
}
END_TEST

START_TEST(functions)
{
	CHECK_EXPAND("{{json .Args}}", "[\"x\",\"y z\"]");
	CHECK_EXPAND("{{json .State.Status}} {{json .Null}}", "\"running\" null");
	CHECK_EXPAND("{{join .Args \", \"}}", "x, y z");
	CHECK_EXPAND("{{upper .Name}} {{title \"a bc\"}} {{\"X\" | lower}}", "WEB A Bc x");
	CHECK_EXPAND("{{index (split \"a/b/c\" \"/\") 2}}", "c");
	CHECK_EXPAND("{{len .Args}} {{len .Name}} {{len .Labels}}", "2 3 2");
	CHECK_EXPAND("{{printf \"%s:%d %q %-5s| %05d %.2f%%\" .Name .State.Pid .Id \"ab\" 7 .F}}",
	             "web:42 \"abc\" ab   | 00007 1.50%");
	CHECK_EXPAND("{{.Name | printf \"%s-%s\" \"a\"}}", "a-web");
	CHECK_EXPAND("{{truncate .Name 2}}{{slice .Name 1 3}}", "weeb");
	CHECK_EXPAND("{{pad .Name 1 2}}|", " web  |");
	CHECK_EXPAND("{{println .Name}}", "web\n");
	CHECK_EXPAND("{{print 1 2 \"x\"}}", "1 2x");
	CHECK_EXPAND("{{index .Args 9}}", "!template: index 9 of a list of 2 is out of range");
}
END_TEST

START_TEST(blanks_and_comments)
{
	CHECK_EXPAND("a {{- .Name -}} b", "awebb");
	CHECK_EXPAND("a{{/* {{x}} */}}b", "ab");
	CHECK_EXPAND("a {{- /* c */ -}} b", "ab");
	CHECK_EXPAND("{{\"}}\"}}", "}}");
	CHECK_EXPAND("{{`a\"b`}}", "a\"b");
	CHECK_EXPAND("{{\"\\t\\x41\"}}", "\tA");
	CHECK_EXPAND("{{-1}}", "-1");
}
END_TEST

START_TEST(syntax_errors)
{
	CHECK_EXPAND("{{.Name", "!template: column 3: unclosed action: '}}' is missing");
	CHECK_EXPAND("{{if .Name}}", "!template: column 13: missing {{end}}");
	CHECK_EXPAND("{{end}}", "!template: column 8: {{end}} or {{else}} without a block");
	CHECK_EXPAND("{{nope .}}", "!template: function 'nope' is not known");
	CHECK_EXPAND("{{}}", "!template: column 3: missing value");
	CHECK_EXPAND("{{.Name | }}", "!template: column 11: missing value");
	CHECK_EXPAND("{{template \"x\"}}", "!template: 'template' is not supported");
	CHECK_EXPAND("{{.Name .Id}}",
	             "!template: '.Name' is not a function but is given arguments");
	CHECK_EXPAND("{{break}}", "!template: column 8: break and continue belong inside a range");
	CHECK_EXPAND("{{\"abc}}", "!template: column 3: unclosed action: '}}' is missing");
	ck_assert(
		expand("{{((((((((((((((((((((((((((((((((((1))))))))))))))))))))))))))))))))))}}")
			[0] == '!');
}
END_TEST

START_TEST(mentions)
{
	struct template *t;

	CHECK_OK(template_parse("{{if .ID}}{{(index .Size 0).X}}{{end}}", &t, &e));
	ck_assert(template_mentions(t, "Size"));
	ck_assert(template_mentions(t, "ID"));
	ck_assert(!template_mentions(t, "Name"));
	template_free(t);
	CHECK_OK(template_parse("{{json .}}", &t, &e));
	ck_assert(template_mentions(t, "Size"));
	template_free(t);
}
END_TEST

TEST_MAIN("template", fields_and_text, missing_fields, conditions, ranges_and_variables, functions,
          blanks_and_comments, syntax_errors, mentions)
