"""The REST API of a running node under schemathesis: no 5xx, no answer outside its schema."""

import pytest
from swarm import Network, make_spec
from web_client import Web

from swarmhub.hub.context import users_of

pytestmark = [pytest.mark.process, pytest.mark.browser]


def test_no_answer_is_outside_of_the_document(tmp_path):
    schemathesis = pytest.importorskip("schemathesis")
    with Network(tmp_path, 1) as network:
        network.up(1, SWARMHUB_HUB="on")
        home = network.homes[0]
        network.wait_until(home.run_path("hub.json").exists)
        # everything but what would end the study of the tests
        users_of(home).add("robot", ("researcher", "owner", "administrator"))
        robot = Web(home)
        robot.token = users_of(home).add_token("robot")
        network.wait_until(lambda: robot.rest("GET", "/studies")[0] == 200)
        network.open_study(make_spec("heart", min_peers=1))
        headers = {"Authorization": f"Bearer {robot.token}"}
        url = f"http://127.0.0.1:{robot.port}"
        schema = schemathesis.openapi.from_url(f"{url}/api/v1/openapi.json", headers=headers)
        tried = 0

        from hypothesis import HealthCheck, Phase, given, settings

        for operation in schema.get_all_operations():
            api = operation.ok()

            @given(case=api.as_strategy())
            @settings(max_examples=10, deadline=None, phases=[Phase.generate], database=None,
                      derandomize=True, suppress_health_check=list(HealthCheck))  # fmt: skip
            def attempt(case):
                nonlocal tried
                tried += 1
                answer = case.call(headers=headers)
                assert answer.status_code < 500 or answer.status_code == 503, answer.content
                case.validate_response(answer)

            attempt()
        assert tried > 150
        assert robot.rest("GET", "/studies")[0] == 200
