// Many viewers of one stream: sets them up one by one, has them play, reads everything, and says how late packets were.
//
//   crowd HOST PORT tcp|udp|udp-gro COUNT SETUP-URLS PLAY-URL FROM-SECONDS TO-SECONDS RAMP-MS SETTLE-MS WINDOW-MS ADDRESSES TRACE
//
// SETUP-URLS: one for each stream, at most two, with a space between them; how late packets are is told of the first one. With TRACE
// other than "-" every packet of the window is noted in that file: see Noted.
// With udp-gro the kernel hands over what was sent as segments of one message as it is (UDP_GRO), and is not made to cut it up.
// Viewers start anywhere from FROM to TO; with TO below FROM no Range is sent (live). "begin" and "end" lines on standard
// output frame the window that counts; the line behind them is one JSON object. With WINDOW-MS 0 nobody plays: sessions
// are set up, "begin" is said, and standard input is read to its end.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CHUNK = 256 * 1024, FRAME = 65536 + 4, DATAGRAMS = 64, DATAGRAM_BYTES = 2048, JOINED = 8, JOINED_BYTES = 65536, FIRST_PORT = 6000, LEAVE_MS = 300, REPORT_MS = 5000, LOOK_US = 250 };
/** Lateness in steps of 0.25 ms from -1 s to 3 s; what is beyond counts as the last one. */
enum { STEPS_PER_MS = 4, EARLIEST_MS = -1000, STEPS = 4000 * STEPS_PER_MS };
static const double CLOCK_PER_MS = 90;
enum { STREAMS = 2 };

typedef struct {
  /** Where datagrams come in, with the buffers that sockets have by default. */
  int rtp, rtcp;
  /** Where reports go; port 0: nowhere. */
  struct sockaddr_in reports_to;
  int has_media;
  double first_ms;
  uint32_t first_ticks;
  uint16_t next_sequence;
} Stream;

typedef struct {
  int fd;
  double asked_ms;
  /** Bytes of an unfinished frame or answer. */
  uint8_t *held;
  uint32_t held_bytes;
  Stream streams[STREAMS];
} Viewer;

/** A packet as TRACE has it, in order of arrival. */
typedef struct {
  /** Milliseconds of the monotonic clock. */
  double at_ms;
  /** Of the payload. */
  uint32_t hash;
  uint16_t sequence, stream;
  uint32_t viewer, bytes;
} Noted;

static struct {
  FILE *file;
  Noted *packets;
  size_t count, room;
} trace;
static Viewer *viewers;
static int stream_count = 1;

static struct {
  uint64_t packets, bytes, lost, late;
  uint32_t steps[STEPS];
  double worst_ms;
} window;
static int is_counting;
static double *startups;
static int started, closed_count;

static double now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static double cpu_ms(void) {
  struct rusage r;
  getrusage(RUSAGE_SELF, &r);
  return r.ru_utime.tv_sec * 1e3 + r.ru_utime.tv_usec / 1e3 + r.ru_stime.tv_sec * 1e3 + r.ru_stime.tv_usec / 1e3;
}

static void fail(const char *what) {
  fprintf(stderr, "crowd: %s: %s\n", what, strerror(errno));
  exit(1);
}

/** Eight bytes at a time: it must not keep the other viewers waiting. */
static uint32_t hash_of(const uint8_t *bytes, uint32_t count) {
  const uint64_t factor = 0x9e3779b97f4a7c15;
  uint64_t hash = count * factor, word;
  for (; count >= 8; bytes += 8, count -= 8) {
    memcpy(&word, bytes, 8);
    hash = (hash ^ word) * factor;
    hash ^= hash >> 32;
  }
  for (; count > 0; bytes++, count--) hash = (hash ^ *bytes) * factor;
  return hash >> 32;
}

static void note(const Viewer *v, const Stream *s, const uint8_t *p, uint32_t bytes, double at) {
  if (trace.count == trace.room) {
    trace.room = trace.room == 0 ? 1 << 20 : 2 * trace.room;
    trace.packets = realloc(trace.packets, trace.room * sizeof *trace.packets);
    if (trace.packets == NULL) fail("noting packets");
  }
  uint32_t header = 12 + 4 * (p[0] & 15);
  if (header > bytes) header = bytes;
  trace.packets[trace.count++] = (Noted){.at_ms = at,
                                         .hash = hash_of(p + header, bytes - header),
                                         .sequence = (uint16_t)(p[2] << 8 | p[3]),
                                         .stream = s - v->streams,
                                         .viewer = v - viewers,
                                         .bytes = bytes};
}

static void count_packet(const Viewer *v, Stream *s, const uint8_t *p, uint32_t bytes, double at) {
  if (bytes < 12) return;
  uint16_t sequence = (uint16_t)(p[2] << 8 | p[3]);
  uint32_t ticks = (uint32_t)p[4] << 24 | p[5] << 16 | p[6] << 8 | p[7];
  int is_first = s == v->streams;
  if (!s->has_media) {
    s->has_media = 1;
    s->first_ms = at;
    s->first_ticks = ticks;
    s->next_sequence = sequence;
    if (is_first) startups[started++] = at - v->asked_ms;
  }
  int lost = (int16_t)(sequence - s->next_sequence);
  s->next_sequence = sequence + 1;
  if (!is_counting) return;
  if (trace.file != NULL) note(v, s, p, bytes, at);
  window.packets++;
  window.bytes += bytes;
  if (lost > 0) window.lost += lost;
  if (!is_first) return;
  double late = at - s->first_ms - (int32_t)(ticks - s->first_ticks) / CLOCK_PER_MS;
  if (late > window.worst_ms) window.worst_ms = late;
  int step = (int)((late - EARLIEST_MS) * STEPS_PER_MS);
  window.steps[step < 0 ? 0 : step >= STEPS ? STEPS - 1 : step]++;
}

/** Takes whole frames and answers from bytes[0, count). @returns bytes taken */
static uint32_t take(Viewer *v, const uint8_t *bytes, uint32_t count, double at) {
  uint32_t done = 0;
  while (count - done >= 4) {
    const uint8_t *p = bytes + done;
    if (p[0] == '$') {
      uint32_t size = p[2] << 8 | p[3];
      if (count - done < 4 + size) break;
      if ((p[1] & 1) == 0 && p[1] < 2 * STREAMS) count_packet(v, &v->streams[p[1] / 2], p + 4, size, at);
      done += 4 + size;
      continue;
    }
    const uint8_t *end = memmem(p, count - done, "\r\n\r\n", 4);
    if (end == NULL) break;
    if (memcmp(p, "RTSP/1.0 200", 12) != 0) {
      fprintf(stderr, "crowd: %.*s\n", (int)(end - p), p);
      exit(1);
    }
    done += end + 4 - p;
  }
  return done;
}

static void read_stream(Viewer *v, uint8_t *chunk) {
  memcpy(chunk, v->held, v->held_bytes);
  ssize_t got = recv(v->fd, chunk + v->held_bytes, CHUNK - v->held_bytes, 0);
  if (got == 0 || (got < 0 && errno != EAGAIN)) {
    closed_count++;
    close(v->fd);
    v->fd = -1;
  }
  if (got <= 0) return;
  uint32_t count = v->held_bytes + got;
  uint32_t done = take(v, chunk, count, now_ms());
  v->held_bytes = count - done;
  if (v->held_bytes > FRAME) {
    fprintf(stderr, "crowd: bytes that are no frame\n");
    exit(1);
  }
  memcpy(v->held, chunk + done, v->held_bytes);
}

static void count_datagram(const Viewer *v, Stream *s, const uint8_t *p, uint32_t bytes, double at) {
  if (bytes > 1 && (p[1] < 192 || p[1] > 223)) count_packet(v, s, p, bytes, at);
}

/** Of one message: how long its datagrams are, the last one may be shorter. */
static uint32_t segment_bytes(struct msghdr *message, uint32_t otherwise) {
  for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
    int bytes;
    if (c->cmsg_level != SOL_UDP || c->cmsg_type != UDP_GRO) continue;
    memcpy(&bytes, CMSG_DATA(c), sizeof bytes);
    return bytes;
  }
  return otherwise;
}

static int poll, is_joined;

static void read_datagrams(const Viewer *v, Stream *s) {
  static uint8_t bytes[JOINED * JOINED_BYTES];
  static uint8_t control[DATAGRAMS][CMSG_SPACE(sizeof(int))];
  static struct iovec iov[DATAGRAMS];
  static struct mmsghdr messages[DATAGRAMS];
  const int most = is_joined ? JOINED : DATAGRAMS, room = is_joined ? JOINED_BYTES : DATAGRAM_BYTES;
  for (int rounds = 0; rounds < 64; rounds++) {
    for (int i = 0; i < most; i++) {
      iov[i] = (struct iovec){bytes + i * room, room};
      messages[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i], .msg_iovlen = 1};
      if (!is_joined) continue;
      messages[i].msg_hdr.msg_control = control[i];
      messages[i].msg_hdr.msg_controllen = sizeof control[i];
    }
    int got = recvmmsg(s->rtp, messages, most, MSG_DONTWAIT, NULL);
    if (got <= 0) return;
    double at = now_ms();
    for (int i = 0; i < got; i++) {
      uint32_t length = messages[i].msg_len, step = segment_bytes(&messages[i].msg_hdr, length);
      for (uint32_t from = 0; from < length && step > 0; from += step)
        count_datagram(v, s, bytes + i * room + from, length - from < step ? length - from : step, at);
    }
    if (got < most) return;
  }
}

/** Asks and awaits the answer. */
static void ask(Viewer *v, const char *text, char *answer, size_t room) {
  size_t used = 0;
  if (send(v->fd, text, strlen(text), MSG_NOSIGNAL) < 0) fail("asking");
  do {
    ssize_t got = recv(v->fd, answer + used, room - 1 - used, 0);
    if (got <= 0) fail("no answer to SETUP");
    used += got;
    answer[used] = 0;
  } while (strstr(answer, "\r\n\r\n") == NULL);
  if (strncmp(answer, "RTSP/1.0 200", 12) != 0) {
    fprintf(stderr, "crowd: %s%s", text, answer);
    exit(1);
  }
}

/** Reads what is there, or sleeps a moment: who waited in the kernel would have to be woken, on the account of whoever sends. Viewers come first in the numbers of events, then streams. */
static void read_all(int count) {
  static uint8_t chunk[CHUNK];
  static struct epoll_event events[512];
  int ready = epoll_wait(poll, events, 512, 0);
  if (ready == 0) usleep(LOOK_US);
  for (int i = 0; i < ready; i++) {
    int who = events[i].data.u32, place = who - count;
    if (place >= 0) read_datagrams(&viewers[place / STREAMS], &viewers[place / STREAMS].streams[place % STREAMS]);
    else if (viewers[who].fd >= 0) read_stream(&viewers[who], chunk);
  }
}

/** How many addresses viewers come from, and whose turn it is: 127.0.0.1, or 127.1.0.0 and what follows. */
static int addresses = 1;

static struct sockaddr_in name_of(int viewer, int port) {
  uint32_t address = addresses > 1 ? 0x7f010001u + viewer % addresses : INADDR_LOOPBACK;
  return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(address)};
}

static int udp_socket(int viewer, int port) {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
  struct sockaddr_in name = name_of(viewer, port);
  if (bind(fd, (struct sockaddr *)&name, sizeof name) == 0) return fd;
  close(fd);
  return -1;
}

/** Binds an even port and the next one. @returns the even one */
static int bind_pair(Stream *s, int viewer) {
  static int port;
  // Another crowd's packets may still be on their way.
  if (port == 0) port = FIRST_PORT + 2 * (getpid() % 8000);
  for (; port < 65534; port += 2) {
    s->rtp = udp_socket(viewer, port);
    s->rtcp = s->rtp < 0 ? -1 : udp_socket(viewer, port + 1);
    int one = 1;
    if (s->rtcp >= 0 && is_joined && setsockopt(s->rtp, SOL_UDP, UDP_GRO, &one, sizeof one) < 0) fail("UDP_GRO");
    if (s->rtcp >= 0) return (port += 2) - 2;
    if (s->rtp >= 0) close(s->rtp);
  }
  fail("no ports");
  return 0;
}

static double step_ms(uint64_t rank) {
  uint64_t seen = 0;
  for (int i = 0; i < STEPS; i++) {
    seen += window.steps[i];
    if (seen > rank) return EARLIEST_MS + (double)i / STEPS_PER_MS;
  }
  return EARLIEST_MS + (double)STEPS / STEPS_PER_MS;
}

static int ascending(const void *a, const void *b) {
  double left = *(const double *)a, right = *(const double *)b;
  return left < right ? -1 : left > right;
}

static void report(double elapsed_ms, double used_ms) {
  uint64_t n = window.packets;
  qsort(startups, started, sizeof *startups, ascending);
  double last_startup = started == 0 ? 0 : startups[(started - 1) * 99 / 100];
  printf("{\"playing\":%d,\"closed\":%d,\"windowMs\":%.1f,\"packets\":%lu,\"bytes\":%lu,\"lost\":%lu,", started,
         closed_count, elapsed_ms, n, window.bytes, window.lost);
  printf("\"lateMs\":{\"earliest\":%.2f,\"p50\":%.2f,\"p99\":%.2f,\"p999\":%.2f,\"worst\":%.2f},", n ? step_ms(0) : 0,
         n ? step_ms(n / 2) : 0, n ? step_ms(n - 1 - n / 100) : 0, n ? step_ms(n - 1 - n / 1000) : 0, window.worst_ms);
  printf("\"startupMs\":{\"p50\":%.2f,\"p99\":%.2f},\"sinkCpu\":%.3f}\n", started ? startups[started / 2] : 0,
         last_startup, used_ms / elapsed_ms);
}

/** Empty receiver reports: who sends none is taken for gone. */
static void report_on(const Viewer *v) {
  static const uint8_t empty[8] = {0x80, 201, 0, 1};
  for (int i = 0; i < stream_count; i++) {
    const Stream *s = &v->streams[i];
    if (s->reports_to.sin_port != 0) sendto(s->rtcp, empty, sizeof empty, 0, (const struct sockaddr *)&s->reports_to, sizeof s->reports_to);
  }
}

/** Says where a stream's media is to go. @returns the answer, in `answer` */
static void set_up(Viewer *v, int place, const char *url, const char *session, char *answer, size_t room, int is_udp) {
  Stream *s = &v->streams[place];
  char text[4096], transport[128];
  int port = is_udp ? bind_pair(s, v - viewers) : 0;
  if (is_udp) snprintf(transport, sizeof transport, "RTP/AVP;unicast;client_port=%d-%d", port, port + 1);
  else snprintf(transport, sizeof transport, "RTP/AVP/TCP;unicast;interleaved=%d-%d", 2 * place, 2 * place + 1);
  snprintf(text, sizeof text, "SETUP %s RTSP/1.0\r\nCSeq: %d\r\n%s%s%sTransport: %s\r\n\r\n", url, place + 1,
           *session ? "Session: " : "", session, *session ? "\r\n" : "", transport);
  ask(v, text, answer, room);
}

int main(int argc, char **argv) {
  if (argc != 14) return 2;
  addresses = atoi(argv[12]);
  is_joined = strcmp(argv[3], "udp-gro") == 0;
  const char *host = argv[1], *play_url = argv[6], *setup_urls[STREAMS] = {argv[5]};
  char *second = strchr(argv[5], ' ');
  if (second != NULL) {
    *second = 0;
    setup_urls[1] = second + 1;
    stream_count = 2;
  }
  if (strcmp(argv[13], "-") != 0 && (trace.file = fopen(argv[13], "wb")) == NULL) fail("the trace");
  int port = atoi(argv[2]), is_udp = strcmp(argv[3], "tcp") != 0, count = atoi(argv[4]);
  double from = atof(argv[7]), to = atof(argv[8]), ramp = atof(argv[9]), settle = atof(argv[10]), length = atof(argv[11]);
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  setvbuf(stdout, NULL, _IOLBF, 0);
  poll = epoll_create1(0);
  viewers = calloc(count, sizeof *viewers);
  char (*sessions)[128] = calloc(count, sizeof *sessions);
  startups = calloc(count + 1, sizeof *startups);
  struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(port)};
  inet_pton(AF_INET, host, &server.sin_addr);
  char text[4096], answer[8192];
  for (int i = 0; i < count; i++) {
    Viewer *v = &viewers[i];
    v->fd = socket(AF_INET, SOCK_STREAM, 0);
    v->held = malloc(FRAME);
    struct sockaddr_in self = name_of(i, 0);
    if (bind(v->fd, (struct sockaddr *)&self, sizeof self) < 0) fail("binding");
    if (connect(v->fd, (struct sockaddr *)&server, sizeof server) < 0) fail("connecting");
    int one = 1;
    setsockopt(v->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    for (int place = 0; place < stream_count; place++) {
      set_up(v, place, setup_urls[place], sessions[i], answer, sizeof answer, is_udp);
      char *session = strcasestr(answer, "\r\nSession:"), *ports = strstr(answer, "server_port=");
      if (session == NULL) fail("no session");
      session += 10;
      session += strspn(session, " ");
      snprintf(sessions[i], sizeof sessions[i], "%.*s", (int)strcspn(session, ";\r"), session);
      if (!is_udp) continue;
      struct epoll_event want = {.events = EPOLLIN, .data.u32 = count + STREAMS * i + place};
      epoll_ctl(poll, EPOLL_CTL_ADD, v->streams[place].rtp, &want);
      if (ports == NULL) continue;
      // Opens the way back, and shows that somebody is there.
      struct sockaddr_in to_name = server;
      static const uint8_t punch[12] = {0x80};
      to_name.sin_port = htons(atoi(ports + 12));
      sendto(v->streams[place].rtp, punch, sizeof punch, 0, (struct sockaddr *)&to_name, sizeof to_name);
      to_name.sin_port = htons(atoi(ports + 12) + 1);
      v->streams[place].reports_to = to_name;
    }
    struct epoll_event want = {.events = EPOLLIN, .data.u32 = i};
    epoll_ctl(poll, EPOLL_CTL_ADD, v->fd, &want);
  }
  if (length <= 0) {
    printf("begin\n");
    while (read(0, text, sizeof text) > 0) continue;
    return 0;
  }
  double start = now_ms(), begun = 0, begun_cpu = 0;
  int playing = 0;
  uint64_t reports = 0;
  unsigned seed = 1;
  for (;;) {
    double now = now_ms();
    while (playing < count && now - start >= ramp * playing / count) {
      Viewer *v = &viewers[playing];
      char range[64] = "";
      if (to >= from) {
        double at = from + (to - from) * rand_r(&seed) / RAND_MAX;
        snprintf(range, sizeof range, "Range: npt=%.3f-\r\n", at);
      }
      snprintf(text, sizeof text, "PLAY %s RTSP/1.0\r\nCSeq: 3\r\nSession: %s\r\n%s\r\n", play_url, sessions[playing], range);
      v->asked_ms = now;
      if (send(v->fd, text, strlen(text), MSG_NOSIGNAL) < 0) fail("asking");
      playing++;
    }
    if (!is_counting && playing == count && now - start >= ramp + settle) {
      is_counting = 1;
      begun = now;
      begun_cpu = cpu_ms();
      printf("begin\n");
    }
    if (is_counting && now - begun >= length) break;
    while (now - start >= (double)REPORT_MS * reports / count) report_on(&viewers[reports++ % count]);
    read_all(count);
  }
  double ended = now_ms(), used = cpu_ms() - begun_cpu;
  printf("end\n");
  is_counting = 0;
  if (trace.file != NULL && fwrite(trace.packets, sizeof *trace.packets, trace.count, trace.file) != trace.count) fail("the trace");
  if (trace.file != NULL) fclose(trace.file);
  report(ended - begun, used);
  for (int i = 0; i < count; i++) {
    snprintf(text, sizeof text, "TEARDOWN %s RTSP/1.0\r\nCSeq: 4\r\nSession: %s\r\n\r\n", play_url, sessions[i]);
    if (viewers[i].fd >= 0 && send(viewers[i].fd, text, strlen(text), MSG_NOSIGNAL) < 0) closed_count++;
  }
  while (now_ms() - ended < LEAVE_MS) read_all(count);
  return 0;
}
