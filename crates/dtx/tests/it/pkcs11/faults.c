/* A PKCS#11 module in front of SoftHSM that fails on request.
 *
 * It hands every call on, except those that a control file names: one line `CALL RETURN-VALUE TIMES` each, numbers in
 * decimal, read anew at every call. `Login 160 1` makes the next C_Login say CKR_PIN_INCORRECT. Two names are lies:
 * `FlipSignature` flips a bit of a signature, `FinalTry` sets the flag that one try of the PIN is left.
 * Every C_Login that reaches the real module adds a byte to the file of log-ins.
 *
 * Types are written by hand: PKCS #11 v2.40, section 3 and appendix. All of it is plain old C ABI. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned long ulong_t;
typedef ulong_t (*call_t)(ulong_t, ulong_t, ulong_t, ulong_t, ulong_t, ulong_t, ulong_t, ulong_t);

/* CK_FUNCTION_LIST: a version, then 68 functions in the order of the standard. */
struct list {
    unsigned char major, minor;
    call_t call[68];
};

enum { GET_FUNCTION_LIST = 3, GET_SLOT_LIST = 4, GET_TOKEN_INFO = 6, OPEN_SESSION = 12, LOGIN = 18, DESTROY_OBJECT = 22,
       GET_ATTRIBUTE_VALUE = 24, FIND_OBJECTS_INIT = 26, SIGN_INIT = 42, SIGN = 43, GENERATE_KEY_PAIR = 59 };

static struct list *real;
static struct list ours;

/* Takes one use of a fault out of the control file; -1 if there is none. */
static long fault(const char *name) {
    const char *path = getenv("GLACIS_PKCS11_FAULTS");
    FILE *file = path ? fopen(path, "r+") : NULL;
    long value = -1, times, at;
    char word[64];
    if (!file) return -1;
    for (;;) {
        long begin = ftell(file);
        long said;
        if (fscanf(file, " %63s %ld", word, &said) != 2) break;
        at = ftell(file);
        if (fscanf(file, " %ld", &times) != 1) break;
        (void)begin;
        if (strcmp(word, name) == 0 && times > 0) {
            value = said;
            fseek(file, at, SEEK_SET);
            fprintf(file, " %04ld", times - 1);
            break;
        }
    }
    fclose(file);
    return value;
}

static void note(void) {
    const char *path = getenv("GLACIS_PKCS11_LOGINS");
    FILE *file = path ? fopen(path, "a") : NULL;
    if (!file) return;
    fputc('x', file);
    fclose(file);
}

#define ARGS ulong_t a, ulong_t b, ulong_t c, ulong_t d, ulong_t e, ulong_t f, ulong_t g, ulong_t h
#define PASS(index) real->call[index](a, b, c, d, e, f, g, h)
#define FAILING(name, text, index)                                                                                     \
    static ulong_t name(ARGS) {                                                                                        \
        long value = fault(text);                                                                                      \
        return value >= 0 ? (ulong_t)value : PASS(index);                                                              \
    }

FAILING(get_slot_list, "GetSlotList", GET_SLOT_LIST)
FAILING(open_session, "OpenSession", OPEN_SESSION)
FAILING(destroy_object, "DestroyObject", DESTROY_OBJECT)
FAILING(find_objects_init, "FindObjectsInit", FIND_OBJECTS_INIT)
FAILING(sign_init, "SignInit", SIGN_INIT)
FAILING(generate_key_pair, "GenerateKeyPair", GENERATE_KEY_PAIR)

static ulong_t login(ARGS) {
    long value = fault("Login");
    note();
    return value >= 0 ? (ulong_t)value : PASS(LOGIN);
}

static ulong_t sign(ARGS) {
    unsigned char *signature = (unsigned char *)d;
    long value = fault("Sign");
    if (value >= 0) return (ulong_t)value;
    ulong_t done = PASS(SIGN);
    if (done == 0 && signature && fault("FlipSignature") >= 0) signature[20] ^= 1;
    return done;
}

static ulong_t get_attribute_value(ARGS) {
    ulong_t done = PASS(GET_ATTRIBUTE_VALUE);
    /* CK_ATTRIBUTE: type, value, length. CKA_EXTRACTABLE is 0x162. */
    struct attribute { ulong_t type; void *value; ulong_t length; } *list = (struct attribute *)c;
    for (ulong_t at = 0; done == 0 && at < d; at++)
        if (list[at].type == 0x162 && list[at].value && fault("Extractable") >= 0) *(unsigned char *)list[at].value = 1;
    return done;
}

static ulong_t get_token_info(ARGS) {
    ulong_t done = PASS(GET_TOKEN_INFO);
    /* CK_TOKEN_INFO: label 32, manufacturer 32, model 16, serial 16, then the flags. */
    if (done == 0 && fault("FinalTry") >= 0) *(ulong_t *)((char *)b + 96) |= 0x00020000;
    return done;
}

ulong_t C_GetFunctionList(void **out) {
    if (!real) {
        const char *path = getenv("GLACIS_PKCS11_REAL");
        void *module = path ? dlopen(path, RTLD_NOW) : NULL;
        ulong_t (*get)(void **) = module ? (ulong_t (*)(void **))dlsym(module, "C_GetFunctionList") : NULL;
        if (!get || get((void **)&real) != 0) return 5; /* CKR_GENERAL_ERROR */
        memcpy(&ours, real, sizeof ours);
        ours.call[GET_FUNCTION_LIST] = (call_t)C_GetFunctionList;
        ours.call[GET_SLOT_LIST] = get_slot_list;
        ours.call[GET_TOKEN_INFO] = get_token_info;
        ours.call[OPEN_SESSION] = open_session;
        ours.call[LOGIN] = login;
        ours.call[DESTROY_OBJECT] = destroy_object;
        ours.call[GET_ATTRIBUTE_VALUE] = get_attribute_value;
        ours.call[FIND_OBJECTS_INIT] = find_objects_init;
        ours.call[SIGN_INIT] = sign_init;
        ours.call[SIGN] = sign;
        ours.call[GENERATE_KEY_PAIR] = generate_key_pair;
    }
    *out = &ours;
    return 0;
}
