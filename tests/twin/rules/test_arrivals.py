from twin.rules.arrivals import arrival_times


def test_the_last_of_all_come_one_after_the_other():
    assert arrival_times(5, 3, 2.0, 4.0) == {2: 2.0, 3: 2.25, 4: 2.5}
