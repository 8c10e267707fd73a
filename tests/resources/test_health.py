"""/healthz and /readyz."""


def test_healthz_answers_without_asking_anything(client):
    response = client.get("/healthz")
    assert (response.status_code, response.json) == (200, {"status": "ok"})


def test_readyz_misses_the_worker(client):
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json["status"] == "not ready"
    assert [(check["name"], check["ok"]) for check in response.json["checks"]] == [
        ("database", True),
        ("migrations", True),
        ("worker", False),
        ("exits", True),
        ("differences", True),
        ("refused", True),
    ]
