#include "oci/image-config.h"
#include "test.h"
#include <string.h>

static struct err e;
static struct image_config c;

#define HEX    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define ROOTFS "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"sha256:" HEX "\"]}"

static int parse(const char *text)
{
	image_config_done(&c);
	return image_config_parse("config", text, strlen(text), &c, &e);
}

static const char full[] =
	"{\"architecture\":\"amd64\",\"os\":\"linux\",\"created\":\"2026-11-22T10:00:00.5Z\","
	"\"config\":{\"User\":\"me:you\",\"Env\":[\"PATH=/bin\",\"A=\"],\"Entrypoint\":[\"/e\"],"
	"\"Cmd\":[\"a\",\"b\"],\"WorkingDir\":\"/w\",\"Volumes\":{\"/v\":{},\"/a\":{}},"
	"\"ExposedPorts\":{\"80/tcp\":{}},\"Labels\":{\"x\":\"1\",\"k\":\"=v\"},"
	"\"StopSignal\":\"SIGINT\",\"Healthcheck\":{\"Test\":[\"CMD\",\"t\"],\"Interval\":5,"
	"\"Retries\":3}},"
	"\"history\":[{\"created_by\":\"one\"},{\"created_by\":\"two\",\"empty_layer\":true}]"
	"," ROOTFS "}";

START_TEST(every_field_is_read)
{
	CHECK_OK(parse(full));
	ck_assert_str_eq(c.user, "me:you");
	ck_assert_str_eq(c.env.items[1], "A=");
	ck_assert_str_eq(c.entrypoint.items[0], "/e");
	ck_assert_uint_eq(c.cmd.len, 2);
	ck_assert_str_eq(c.workdir, "/w");
	ck_assert_str_eq(c.volumes.items[0], "/a");
	ck_assert_str_eq(c.exposed_ports.items[0], "80/tcp");
	ck_assert_str_eq(c.labels.items[0], "k==v");
	ck_assert_str_eq(c.stop_signal, "SIGINT");
	ck_assert(c.healthcheck.present);
	ck_assert_int_eq(c.healthcheck.retries, 3);
	ck_assert_uint_eq(c.n_diff_ids, 1);
	ck_assert_uint_eq(c.n_history, 2);
	ck_assert(c.history[1].empty_layer);
	ck_assert(c.created_ns == 1795341600500000000LL);
	image_config_done(&c);
}
END_TEST

START_TEST(what_is_written_reads_back_the_same)
{
	struct json_object *obj;
	char *first;

	CHECK_OK(parse(full));
	obj = image_config_to_json(&c);
	first = strdup(json_text(obj, false));
	json_object_put(obj);
	CHECK_OK(parse(first));
	obj = image_config_to_json(&c);
	ck_assert_str_eq(json_text(obj, false), first);
	json_object_put(obj);
	free(first);
	image_config_done(&c);
}
END_TEST

START_TEST(null_fields_are_absent)
{
	CHECK_OK(parse(
		"{\"config\":{\"Env\":null,\"Cmd\":null,\"Labels\":null,\"Healthcheck\":null},"
		"\"history\":null," ROOTFS "}"));
	ck_assert_uint_eq(c.env.len, 0);
	image_config_done(&c);
}
END_TEST

START_TEST(hostile_configs_are_refused)
{
	static const char *const bad[] = {
		"[]",
		"{}",
		"{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"sha256:../..\"]}}",
		"{\"rootfs\":{\"type\":\"other\",\"diff_ids\":[]}}",
		"{\"config\":{\"Env\":[\"HOME\"]}," ROOTFS "}",
		"{\"config\":{\"Env\":[\"=x\"]}," ROOTFS "}",
		"{\"config\":{\"Env\":\"x\"}," ROOTFS "}",
		"{\"config\":{\"User\":0}," ROOTFS "}",
		"{\"config\":{\"Volumes\":[\"/x\"]}," ROOTFS "}",
		"{\"config\":[]," ROOTFS "}",
		"{\"architecture\":\"amd64\",\"architecture\":\"arm\"," ROOTFS "}",
		"{\"history\":[1]," ROOTFS "}",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(parse(bad[i]) < 0, "%s was taken", bad[i]);
}
END_TEST

START_TEST(changes_do_what_a_dockerfile_does)
{
	struct image_config n = IMAGE_CONFIG_INIT;

	CHECK_OK(image_config_change(&n, "CMD [\"a\", \"b c\"]", &e));
	ck_assert_str_eq(n.cmd.items[1], "b c");
	CHECK_OK(image_config_change(&n, "cmd echo hi", &e));
	ck_assert_str_eq(n.cmd.items[2], "echo hi");
	CHECK_OK(image_config_change(&n, "ENV A=1 B=\"two words\"", &e));
	ck_assert_str_eq(n.env.items[1], "B=two words");
	CHECK_OK(image_config_change(&n, "ENV A 9 9", &e));
	ck_assert_str_eq(n.env.items[0], "A=9 9");
	CHECK_OK(image_config_change(&n, "EXPOSE 80 53/udp", &e));
	ck_assert_str_eq(n.exposed_ports.items[0], "80/tcp");
	CHECK_OK(image_config_change(&n, "WORKDIR /a", &e));
	CHECK_OK(image_config_change(&n, "WORKDIR b", &e));
	ck_assert_str_eq(n.workdir, "/a/b");
	CHECK_OK(image_config_change(&n, "LABEL x=y", &e));
	CHECK_OK(image_config_change(&n, "VOLUME [\"/v\"]", &e));
	CHECK_OK(image_config_change(&n, "USER=me", &e));
	ck_assert_str_eq(n.user, "me");
	CHECK_ERR(E_INVALID, image_config_change(&n, "RUN x", &e));
	CHECK_ERR(E_INVALID, image_config_change(&n, "HEALTHCHECK NONE", &e));
	CHECK_ERR(E_INVALID, image_config_change(&n, "ENV", &e));
	CHECK_ERR(E_INVALID, image_config_change(&n, "ENV A=\"x", &e));
	CHECK_ERR(E_INVALID, image_config_change(&n, "EXPOSE 99999", &e));
	CHECK_ERR(E_INVALID, image_config_change(&n, "VOLUME rel", &e));
	image_config_done(&n);
}
END_TEST

TEST_MAIN("image-config", every_field_is_read, what_is_written_reads_back_the_same,
          null_fields_are_absent, hostile_configs_are_refused, changes_do_what_a_dockerfile_does)
