"""A client of the CI protocol as existing ones are: the standard library, no knowledge of anything beyond the protocol."""
import http.client
import io
import json
import sys
import uuid
import zipfile

host, port, key, command, *rest = sys.argv[1:]


def request(method, path, body=None, headers={}):
    connection = http.client.HTTPConnection(host, int(port), timeout=300)
    connection.request(method, path, body, {"Authorization": f"Bearer {key}", **headers})
    return connection.getresponse()


def archive(test):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("gpu-ci.yaml", json.dumps({"test": test}))
        zipped.writestr("requirements.txt", "")
    return buffer.getvalue()


def submit(path, test):
    boundary = uuid.uuid4().hex
    body = b"".join([
        f"--{boundary}\r\n".encode(),
        b'Content-Disposition: form-data; name="file"; filename="project.zip"\r\n',
        b"Content-Type: application/zip\r\n\r\n",
        archive(test),
        f"\r\n--{boundary}--\r\n".encode(),
    ])
    return request("POST", path, body, {"Content-Type": f"multipart/form-data; boundary={boundary}"})


def events(response):
    assert response.status == 200, response.read()
    assert response.getheader("content-type") == "text/event-stream; charset=utf-8"
    for line in response:
        text = line.decode("ascii").rstrip("\n")
        if text.startswith("data: "):
            yield json.loads(text[6:])


if command == "submit":
    success = None
    for event in events(submit("/submit-stream", rest[0])):
        if event["type"] == "job_id":
            print(f"Job ID: {event['job_id']}", file=sys.stderr)
        elif event["type"] == "log":
            print(event["data"], end="")
        elif event["type"] == "complete":
            success = event["success"]
            break
    sys.exit(0 if success else 1)
if command == "async":
    response = submit("/submit-async", rest[0])
    assert response.status == 200
    print(f"Job submitted: {json.load(response)['job_id']}")
if command == "wait":
    query = "?from_beginning=true" if "--all" in rest else ""
    for event in events(request("GET", f"/jobs/{rest[0]}/stream{query}")):
        if event["type"] == "log":
            print(event["data"], end="")
        elif event["type"] == "complete":
            sys.exit(0 if event["success"] else 1)
if command == "list":
    for job in json.load(request("GET", "/jobs")):
        print(*(job[name] for name in ("job_id", "status", "success")), job["start_time"][-1], job["end_time"][-1])
