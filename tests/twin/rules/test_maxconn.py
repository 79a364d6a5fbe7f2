"""Places go to whoever has waited longest of those whom they suit."""

from twin.rules.maxconn import ANY, Places


def filled(servers: int, maxconn: int) -> Places[str]:
    places = Places[str](servers, maxconn)
    for server in range(servers):
        for _ in range(maxconn):
            assert places.free(server)
            places.take(server)
    return places


def test_a_server_takes_as_many_as_maxconn_and_no_more():
    places = filled(2, 3)
    assert places.held == [3, 3]
    assert not places.free(0)
    places.release(0)
    assert (places.free(0), places.free(1)) == (True, False)


def test_a_free_place_goes_to_who_came_first_of_both_queues():
    places = filled(2, 1)
    for name, server in (("a", 1), ("b", ANY), ("c", 0), ("d", ANY)):
        places.wait(name, server)
    places.release(0)
    assert places.following(0, up=True) == "b"
    assert places.following(0, up=True) is None  # that was the only place
    places.release(0)
    assert places.following(0, up=True) == "c"
    places.release(1)
    assert places.following(1, up=True) == "a"
    assert (len(places), places.longest, places.held) == (1, 4, [1, 1])


def test_nobody_overtakes_who_waits_for_that_server():
    places = filled(1, 1)
    places.wait("a", 0)
    places.release(0)
    assert not places.free(0)
    assert places.following(0, up=True) == "a"


def test_a_server_that_is_down_takes_nobody_of_the_backends_queue():
    places = filled(2, 1)
    places.wait("a", ANY)
    places.release(0)
    assert places.following(0, up=False) is None
    assert places.following(0, up=True) == "a"


def test_who_waited_for_a_server_that_is_down_chooses_anew_in_order():
    places = filled(2, 1)
    for name, server in (("a", 1), ("b", 0), ("c", 1), ("d", ANY)):
        places.wait(name, server)
    assert places.dissolve(1) == ["a", "c"]
    assert len(places) == 2
    places.leave("b")
    places.leave("b")
    assert len(places) == 1
