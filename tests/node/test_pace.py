"""What a node says of the time that its trainer takes."""

from swarmhub.node.pace import Pace


def test_a_trainer_at_work_is_said_with_the_time_and_its_last_rounds():
    pace = Pace()
    pace.begin(1, 100.0)
    assert pace.say(130.0) == "the trainer here has been at work for 30 s"
    pace.end(1, 145.0)
    assert pace.say(145.0) == "the trainer here is at work"
    pace.begin(2, 200.0)
    assert pace.say(209.9).endswith("for 9 s; its last round took 45 s")
    pace.end(2, 500.0)
    pace.begin(3, 500.0)
    assert pace.say(620.0).endswith("for 2 min; its last 2 took 45 s to 5 min")


def test_a_restarted_trainer_begins_anew_and_a_stranger_answer_counts_nothing():
    pace = Pace()
    pace.begin(4, 10.0)
    pace.end(3, 15.0)
    pace.begin(4, 20.0)
    pace.end(4, 23.0)
    pace.begin(5, 30.0)
    assert pace.say(31.0) == "the trainer here has been at work for 1 s; its last round took 3 s"
