#include "test.h"

#include "base/xalloc.h"
#include "oci/spec.h"

#include <string.h>

static struct err e;
static struct oci_spec spec;

static int parse_with(const char *linux_part, const char *annotation)
{
	AUTO_FREE char *text =
		xasprintf("{\"ociVersion\":\"1.3.0\",\"linux\":{%s}%s}", linux_part, annotation);

	e = ERR_INIT;
	return oci_spec_parse(&spec, "config.json", text, strlen(text), &e);
}

static int parse(const char *landlock)
{
	AUTO_FREE char *part = xasprintf("\"landlock\":%s", landlock);

	return parse_with(part, "");
}

static void refused(const char *landlock, const char *where)
{
	CHECK_ERR(E_INVALID, parse(landlock));
	ck_assert_msg(strstr(e.msg, where), "'%s' is not in '%s'", where, e.msg);
}

#define WHOLE                                                                                      \
	"{\"ruleset\":{\"handledAccessFS\":[\"LANDLOCK_ACCESS_FS_READ_FILE\",65536],"              \
	"\"handledAccessNet\":[\"LANDLOCK_ACCESS_NET_CONNECT_TCP\"],"                              \
	"\"scoped\":[\"LANDLOCK_SCOPE_SIGNAL\"]},"                                                 \
	"\"rules\":{\"pathBeneath\":[{\"paths\":[\"/usr\",\"/etc\"],"                              \
	"\"allowedAccess\":[4],\"ignoreMissing\":true}],"                                          \
	"\"netPort\":[{\"ports\":[80,65535],\"allowedAccess\":[2]}]},"                             \
	"\"restrictFlags\":[\"LANDLOCK_RESTRICT_SELF_LOG_NEW_EXEC_ON\"],"                          \
	"\"disableBestEffort\":true}"

static void check_whole(const struct oci_landlock *l)
{
	ck_assert(l->present && l->required);
	ck_assert_uint_eq(l->fs, 4 | 65536);
	ck_assert_uint_eq(l->net, 2);
	ck_assert_uint_eq(l->scoped, 2);
	ck_assert_uint_eq(l->restrict_flags, 2);
	ck_assert_uint_eq(l->n_paths, 1);
	ck_assert_str_eq(l->paths[0].paths.items[1], "/etc");
	ck_assert(l->paths[0].ignore_missing);
	ck_assert_uint_eq(l->paths[0].access, 4);
	ck_assert_uint_eq(l->n_ports, 1);
	ck_assert_uint_eq(l->ports[0].ports[1], 65535);
}

START_TEST(names_and_numbers_become_bits_and_come_back)
{
	AUTO_FREE char *text = NULL;

	CHECK_OK(parse(WHOLE));
	check_whole(&spec.linux_.landlock);
	text = oci_spec_format(&spec, false);
	oci_spec_done(&spec);
	ck_assert_ptr_nonnull(strstr(text, "\"LANDLOCK_ACCESS_FS_READ_FILE\",65536"));
	CHECK_OK(oci_spec_parse(&spec, "config.json", text, strlen(text), &e));
	check_whole(&spec.linux_.landlock);
	oci_spec_done(&spec);
}
END_TEST

START_TEST(the_annotation_is_the_same_object)
{
	AUTO_FREE char *text = NULL;
	const char *annotation =
		",\"annotations\":{\"org.dhow.landlock\":"
		"\"{\\\"ruleset\\\":{\\\"scoped\\\":[\\\"LANDLOCK_SCOPE_SIGNAL\\\"]}}\"}";

	CHECK_OK(parse_with("", annotation));
	ck_assert_uint_eq(spec.linux_.landlock.scoped, 2);
	/* what is saved is read again for exec */
	text = oci_spec_format(&spec, false);
	oci_spec_done(&spec);
	CHECK_OK(oci_spec_parse(&spec, "config.json", text, strlen(text), &e));
	ck_assert_uint_eq(spec.linux_.landlock.scoped, 2);
	oci_spec_done(&spec);
	CHECK_ERR(E_INVALID, parse_with("\"landlock\":{\"ruleset\":{\"scoped\":[1]}}", annotation));
	ck_assert_ptr_nonnull(strstr(e.msg, "linux.landlock is given, too"));
	CHECK_ERR(E_INVALID, parse_with("", ",\"annotations\":{\"org.dhow.landlock\":\"{\"}"));
	ck_assert_ptr_nonnull(strstr(e.msg, "annotation org.dhow.landlock"));
}
END_TEST

START_TEST(bad_rules_are_refused_with_their_path)
{
	refused("{}", "linux.landlock: 'ruleset' is missing");
	refused("{\"ruleset\":{}}", "handles nothing");
	refused("{\"ruleset\":{\"handledAccessFS\":[\"read_file\"]}}",
	        "linux.landlock.ruleset.handledAccessFS[0]: 'read_file' is not a name");
	refused("{\"ruleset\":{\"handledAccessFS\":[\"LANDLOCK_ACCESS_NET_BIND_TCP\"]}}",
	        "handledAccessFS[0]");
	refused("{\"ruleset\":{\"handledAccessFS\":[1,-1]}}", "handledAccessFS[1]");
	refused("{\"ruleset\":{\"handledAccessFS\":[true]}}", "handledAccessFS[0]");
	refused("{\"ruleset\":{\"handledAccessFS\":[4]},\"rules\":{\"pathBeneath\":[{\"paths\":"
	        "[\"/\"],\"allowedAccess\":[2]}]}}",
	        "rules.pathBeneath[0]: allows LANDLOCK_ACCESS_FS_WRITE_FILE");
	refused("{\"ruleset\":{\"handledAccessFS\":[4]},\"rules\":{\"pathBeneath\":[{\"paths\":"
	        "[\"usr\"],\"allowedAccess\":[4]}]}}",
	        "'usr' is not absolute");
	refused("{\"ruleset\":{\"handledAccessFS\":[4]},\"rules\":{\"pathBeneath\":[{\"paths\":"
	        "[\"/\"]}]}}",
	        "allowedAccess");
	refused("{\"ruleset\":{\"handledAccessNet\":[1]},\"rules\":{\"netPort\":[{\"ports\":"
	        "[65536],\"allowedAccess\":[1]}]}}",
	        "netPort[0].ports[0]");
}
END_TEST

TEST_MAIN("landlock", names_and_numbers_become_bits_and_come_back,
          the_annotation_is_the_same_object, bad_rules_are_refused_with_their_path)
