"""Records the answers of a distributed Kafka Connect 4.1 worker that has the FileStream connectors:

    python3 record.py http://host:port distributed.json

The worker has no connectors yet; its broker has a topic `rec-topic` with two partitions and six records. The
replay is in replay.rs, and says there where Pumphouse differs.
"""
import atexit, http.client, json, sys, time
base, out = sys.argv[1], sys.argv[2]
host = base.split("//")[1]
steps = []
DIST = True
CLASS = "org.apache.kafka.connect.file.FileStreamSinkConnector"
atexit.register(lambda: json.dump(steps, open(out, "w"), indent=1))
def call(method, path, body=None, headers=None):
    c = http.client.HTTPConnection(host, timeout=60)
    h = dict(headers or {})
    raw = None
    if body is not None:
        raw = body if isinstance(body, str) else json.dumps(body, separators=(",", ":"))
        h.setdefault("Content-Type", "application/json")
    c.request(method, path, body=raw, headers=h)
    r = c.getresponse()
    text = r.read().decode()
    got = {k.lower(): v for k, v in r.getheaders()}
    return raw, h, r.status, {k: got[k] for k in ("content-type", "location", "allow") if k in got}, text
def step(name, method, path, body=None, headers=None, settle=None):
    if settle: wait(*settle)
    raw, h, status, hdrs, text = call(method, path, body, headers)
    s = {"case": name, "method": method, "path": path}
    if settle: s["when"] = list(settle)
    if raw is not None: s["body"] = raw
    if h: s["request_headers"] = h
    s["status"] = status; s["headers"] = hdrs; s["answer"] = text
    steps.append(s)
    print(method, path, status, hdrs.get("content-type"), text[:300].replace("\n", "\\n"))
def wait(connector, state, tasks):
    """Until the connector and so many tasks are in this state."""
    end = time.time() + 40
    while True:
        _, _, st, _, text = call("GET", f"/connectors/{connector}/status")
        if st == 200:
            s = json.loads(text)
            if s["connector"]["state"] == state and len(s["tasks"]) == tasks and all(t["state"] == state for t in s["tasks"]): return
        if time.time() > end: raise Exception(f"{connector} not {state}: {text}")
        time.sleep(.1)
def config(name=None, tasks="2", **more):
    c = {"connector.class": CLASS, "tasks.max": tasks, "topics": "rec-topic", "file": "/tmp/rec-out"}
    if name: c["name"] = name
    c.update(more)
    return c
J = {"Content-Type": "application/json"}
# 1. Nothing there.
step("worker", "GET", "/"); step("health", "GET", "/health")
step("none listed", "GET", "/connectors"); step("none expanded", "GET", "/connectors?expand=status")
for m, p in [("GET",""),("GET","/config"),("GET","/status"),("GET","/tasks"),("GET","/tasks/0/status"),("GET","/topics"),("GET","/offsets"),
             ("PUT","/pause"),("PUT","/resume"),("PUT","/stop"),("POST","/restart"),("POST","/restart?includeTasks=true"),("POST","/tasks/0/restart"),
             ("PUT","/topics/reset"),("DELETE","/offsets"),("DELETE","")]:
    if DIST or p not in ("/restart", "/tasks/0/restart"): step("absent connector", m, "/connectors/absent"+p)
step("absent connector", "PATCH", "/connectors/absent/config", {"a": "b"})
step("absent connector", "PATCH", "/connectors/absent/offsets", {"offsets": [{"partition": {"kafka_topic": "rec-topic", "kafka_partition": 0}, "offset": {"kafka_offset": 1}}]})
# 2. Forms of the protocol.
step("no such path", "GET", "/nowhere"); step("no such path", "GET", "/connectors/absent/nowhere"); step("no such path", "POST", "/nowhere", {})
step("no number", "GET", "/connectors/absent/tasks/x/status"); step("no number", "POST", "/connectors/absent/tasks/x/restart")
for m, p in [("PUT","/connectors"),("DELETE","/connectors"),("PATCH","/connectors"),("POST","/connectors/absent"),("PUT","/connectors/absent"),("DELETE","/connectors/absent/config"),
             ("POST","/connectors/absent/config"),("GET","/connectors/absent/pause"),("POST","/connectors/absent/pause"),("GET","/connectors/absent/restart"),("PUT","/connectors/absent/restart"),
             ("DELETE","/"),("POST","/"),("POST","/connectors/absent/status"),("POST","/connectors/absent/offsets"),("POST","/health"),("GET","/connectors/absent/topics/reset"),("PUT","/connectors/absent/tasks")]:
    step("method not allowed", m, p)
step("not acceptable", "GET", "/connectors", headers={"Accept": "text/xml"})
step("acceptable", "GET", "/connectors", headers={"Accept": "*/*"})
step("acceptable", "GET", "/connectors", headers={"Accept": "application/json, text/plain"})
step("trailing slash", "GET", "/connectors/")
step("head", "HEAD", "/connectors"); step("options", "OPTIONS", "/connectors")
# 3. Bodies that are refused.
step("wrong content type", "POST", "/connectors", "{}", {"Content-Type": "text/plain"})
step("form", "POST", "/connectors", "a=b", {"Content-Type": "application/x-www-form-urlencoded"})
step("no content type, no body", "POST", "/connectors")
step("empty body", "POST", "/connectors", "", J)
step("no json", "POST", "/connectors", "{", J)
step("no json", "POST", "/connectors", "nonsense", J)
step("a list", "POST", "/connectors", "[]", J)
step("a text", "POST", "/connectors", '"a"', J)
step("null", "POST", "/connectors", 'null', J)
step("empty object", "POST", "/connectors", {})
step("no config", "POST", "/connectors", {"name": "rec"})
step("null config", "POST", "/connectors", {"name": "rec", "config": None})
step("empty config", "POST", "/connectors", {"name": "rec", "config": {}})
step("config is a list", "POST", "/connectors", {"name": "rec", "config": []})
step("config value is an object", "POST", "/connectors", {"name": "rec", "config": {"a": {}}})
step("unknown field", "POST", "/connectors", {"name": "rec", "config": config(), "other": 1})
step("two names", "POST", "/connectors", {"name": "rec", "config": config("other")})
step("bad initial state", "POST", "/connectors", {"name": "rec", "config": config(), "initial_state": "SLEEPING"})
step("blank name", "POST", "/connectors", {"name": " ", "config": config()})
step("no name", "POST", "/connectors", {"config": config()})
step("no class", "POST", "/connectors", {"name": "rec", "config": {"topics": "rec-topic"}})
step("unknown class", "POST", "/connectors", {"name": "rec", "config": {"connector.class": "no.such.Class", "topics": "rec-topic"}})
step("no topics", "POST", "/connectors", {"name": "rec", "config": {"connector.class": CLASS}})
step("bad tasks.max", "POST", "/connectors", {"name": "rec", "config": config(tasks="none")})
step("put: empty body", "PUT", "/connectors/rec/config", "", J)
step("put: a list", "PUT", "/connectors/rec/config", "[]", J)
step("put: no json", "PUT", "/connectors/rec/config", "{", J)
step("put: wrong content type", "PUT", "/connectors/rec/config", "{}", {"Content-Type": "text/plain"})
step("put: empty", "PUT", "/connectors/rec/config", {})
step("put: two names", "PUT", "/connectors/rec/config", config("other"))
step("put: bad tasks.max", "PUT", "/connectors/rec/config", config(tasks="none"))
# 4. A connector's life.
step("create", "POST", "/connectors", {"name": "rec", "config": config()})
step("status", "GET", "/connectors/rec/status", settle=("rec", "RUNNING", 2))
step("create again", "POST", "/connectors", {"name": "rec", "config": config()})
step("listed", "GET", "/connectors"); step("expanded", "GET", "/connectors?expand=status&expand=info"); step("expanded info", "GET", "/connectors?expand=info")
step("expanded unknown", "GET", "/connectors?expand=nothing"); step("expanded mixed", "GET", "/connectors?expand=nothing&expand=status")
step("expanded comma", "GET", "/connectors?expand=status,info"); step("expand empty", "GET", "/connectors?expand=")
step("info", "GET", "/connectors/rec"); step("config", "GET", "/connectors/rec/config"); step("tasks", "GET", "/connectors/rec/tasks")
step("task", "GET", "/connectors/rec/tasks/1/status"); step("absent task", "GET", "/connectors/rec/tasks/7/status"); step("negative task", "GET", "/connectors/rec/tasks/-1/status")
step("topics", "GET", "/connectors/rec/topics"); step("topics reset", "PUT", "/connectors/rec/topics/reset")
step("put same", "PUT", "/connectors/rec/config", config())
step("put", "PUT", "/connectors/rec/config", config(tasks="1"), settle=("rec", "RUNNING", 2))
step("info after put", "GET", "/connectors/rec", settle=("rec", "RUNNING", 1))
step("patch", "PATCH", "/connectors/rec/config", {"tasks.max": "2", "errors.log.enable": "true"})
step("patch removes", "PATCH", "/connectors/rec/config", {"errors.log.enable": None}, settle=("rec", "RUNNING", 2))
step("patch empty", "PATCH", "/connectors/rec/config", {}, settle=("rec", "RUNNING", 2))
step("patch no body", "PATCH", "/connectors/rec/config", "", J)
step("patch a list", "PATCH", "/connectors/rec/config", "[]", J)
step("patch bad value", "PATCH", "/connectors/rec/config", {"tasks.max": "none"})
step("put numbers", "PUT", "/connectors/rec/config", json.dumps({**config(), "tasks.max": 2, "errors.log.enable": False}, separators=(",", ":")), J)
step("config after numbers", "GET", "/connectors/rec/config", settle=("rec", "RUNNING", 2))
step("alter while running", "PATCH", "/connectors/rec/offsets", {"offsets": [{"partition": {"kafka_topic": "rec-topic", "kafka_partition": 0}, "offset": {"kafka_offset": 1}}]})
step("reset while running", "DELETE", "/connectors/rec/offsets")
step("restart", "POST", "/connectors/rec/restart")
step("status after restart", "GET", "/connectors/rec/status", settle=("rec", "RUNNING", 2))
step("restart with tasks", "POST", "/connectors/rec/restart?includeTasks=true", settle=("rec", "RUNNING", 2))
step("restart with failed tasks", "POST", "/connectors/rec/restart?includeTasks=true&onlyFailed=true", settle=("rec", "RUNNING", 2))
step("restart only failed", "POST", "/connectors/rec/restart?onlyFailed=true", settle=("rec", "RUNNING", 2))
step("restart odd flag", "POST", "/connectors/rec/restart?includeTasks=perhaps", settle=("rec", "RUNNING", 2))
step("restart task", "POST", "/connectors/rec/tasks/0/restart", settle=("rec", "RUNNING", 2))
if DIST: step("restart absent task", "POST", "/connectors/rec/tasks/7/restart")
step("pause", "PUT", "/connectors/rec/pause", settle=("rec", "RUNNING", 2))
step("paused", "GET", "/connectors/rec/status", settle=("rec", "PAUSED", 2))
step("pause again", "PUT", "/connectors/rec/pause"); step("info paused", "GET", "/connectors/rec")
step("alter while paused", "PATCH", "/connectors/rec/offsets", {"offsets": [{"partition": {"kafka_topic": "rec-topic", "kafka_partition": 0}, "offset": {"kafka_offset": 1}}]})
step("restart paused", "POST", "/connectors/rec/restart?includeTasks=true")
step("paused after restart", "GET", "/connectors/rec/status", settle=("rec", "PAUSED", 2))
step("resume", "PUT", "/connectors/rec/resume")
step("resumed", "GET", "/connectors/rec/status", settle=("rec", "RUNNING", 2))
step("resume again", "PUT", "/connectors/rec/resume")
step("stop", "PUT", "/connectors/rec/stop")
step("stopped", "GET", "/connectors/rec/status", settle=("rec", "STOPPED", 0))
step("info stopped", "GET", "/connectors/rec"); step("tasks stopped", "GET", "/connectors/rec/tasks"); step("stop again", "PUT", "/connectors/rec/stop")
if DIST: step("restart task stopped", "POST", "/connectors/rec/tasks/0/restart")
step("put stopped", "PUT", "/connectors/rec/config", config(tasks="2"), settle=("rec", "STOPPED", 0))
step("still stopped", "GET", "/connectors/rec/status", settle=("rec", "STOPPED", 0))
# 5. Offsets.
step("offsets", "GET", "/connectors/rec/offsets")
def off(*entries): return {"offsets": [{"partition": p, "offset": o} for p, o in entries]}
def part(p, t="rec-topic"): return {"kafka_topic": t, "kafka_partition": p}
A = "/connectors/rec/offsets"
for name, body in [
    ("alter empty list", {"offsets": []}), ("alter no list", {}), ("alter unknown field", {"offsets": [], "x": 1}),
    ("alter no partition", {"offsets": [{"offset": {"kafka_offset": 1}}]}), ("alter null partition", {"offsets": [{"partition": None, "offset": {"kafka_offset": 1}}]}),
    ("alter empty partition", off(({}, {"kafka_offset": 1}))), ("alter no number", off(({"kafka_topic": "rec-topic"}, {"kafka_offset": 1}))),
    ("alter no topic", off(({"kafka_partition": 0}, {"kafka_offset": 1}))), ("alter null topic", off(({"kafka_topic": None, "kafka_partition": 0}, {"kafka_offset": 1}))),
    ("alter odd number", off((part("x"), {"kafka_offset": 1}))), ("alter odd offset", off((part(0), {"kafka_offset": "x"}))),
    ("alter null offset value", off((part(0), {"kafka_offset": None}))),
    ("alter negative", off((part(0), {"kafka_offset": -1}))), ("alter empty offset", off((part(0), {}))), ("alter unknown key", off(({"kafka_topic": "rec-topic", "kafka_partition": 0, "x": 1}, {"kafka_offset": 1}))),
    ("alter absent topic", off((part(0, "rec-absent"), {"kafka_offset": 1}))), ("alter absent partition", off((part(99), {"kafka_offset": 1}))),
    ("alter beyond end", off((part(0), {"kafka_offset": 100000}))),
]: step(name, "PATCH", A, body)
step("alter no body", "PATCH", A, "", J); step("alter a list", "PATCH", A, "[]", J); step("alter no json", "PATCH", A, "{", J)
step("alter", "PATCH", A, off((part(0), {"kafka_offset": 3}), (part(1), {"kafka_offset": "2"})))
step("offsets altered", "GET", A)
step("alter to null", "PATCH", A, off((part(1), None)))
step("offsets after null", "GET", A)
step("reset", "DELETE", A); step("offsets after reset", "GET", A); step("reset again", "DELETE", A)
step("resume from stop", "PUT", "/connectors/rec/resume")
step("running after stop", "GET", "/connectors/rec/status", settle=("rec", "RUNNING", 2))
# 6. Others.
step("create paused", "POST", "/connectors", {"name": "rec-paused", "config": config(), "initial_state": "PAUSED"})
step("created paused", "GET", "/connectors/rec-paused/status", settle=("rec-paused", "PAUSED", 0))
step("create stopped", "POST", "/connectors", {"name": "rec-stopped", "config": config(), "initial_state": "STOPPED"})
step("created stopped", "GET", "/connectors/rec-stopped/status", settle=("rec-stopped", "STOPPED", 0))
step("create lower case", "POST", "/connectors", {"name": "rec-lower", "config": config(), "initial_state": "running"})
step("resume created paused", "PUT", "/connectors/rec-paused/resume")
step("resumed created paused", "GET", "/connectors/rec-paused/status", settle=("rec-paused", "RUNNING", 2))
step("info resumed", "GET", "/connectors/rec-paused")
step("put creates", "PUT", "/connectors/rec%20put/config", config())
step("put created", "GET", "/connectors/rec%20put/status", settle=("rec%20put", "RUNNING", 2))
step("create null state", "POST", "/connectors", {"name": "rec-null", "config": config("rec-null"), "initial_state": None})
for n in ("rec-paused", "rec-stopped", "rec%20put", "rec-null", "rec-lower"): step("delete", "DELETE", "/connectors/"+n)
step("delete", "DELETE", "/connectors/rec"); step("delete again", "DELETE", "/connectors/rec"); step("gone", "GET", "/connectors/rec/status"); step("none left", "GET", "/connectors")
# 7. Loggers.
L = "org.apache.kafka.connect.runtime"
step("logger", "GET", "/admin/loggers/root"); step("absent logger", "GET", "/admin/loggers/no.such.logger")
step("set level", "PUT", "/admin/loggers/"+L, {"level": "DEBUG"}); step("level", "GET", "/admin/loggers/"+L)
step("set level lower case", "PUT", "/admin/loggers/"+L, {"level": "info"})
step("set level for the cluster", "PUT", "/admin/loggers/"+L+"?scope=cluster", {"level": "INFO"})
step("set level odd scope", "PUT", "/admin/loggers/"+L+"?scope=odd", {"level": "INFO"})
step("set odd level", "PUT", "/admin/loggers/"+L, {"level": "LOUD"}); step("set no level", "PUT", "/admin/loggers/"+L, {}); step("set null level", "PUT", "/admin/loggers/"+L, {"level": None})
step("set no body", "PUT", "/admin/loggers/"+L, "", J); step("set new logger", "PUT", "/admin/loggers/rec.new.logger", {"level": "WARN"})
step("new logger", "GET", "/admin/loggers/rec.new.logger"); step("logger post", "POST", "/admin/loggers/root", {"level": "INFO"})
step("loggers", "GET", "/admin/loggers")
json.dump(steps, open(out, "w"), indent=1)
