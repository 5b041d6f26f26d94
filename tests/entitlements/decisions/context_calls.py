"""Use features and ask for decisions at other times."""

CHECK = "/entitlements/check"


def look(api, feature, user_id="ada", **query):
    response = api.get(CHECK, query={"user_id": user_id, "feature": feature, **query})
    assert response.status_code == 200, response.content
    return response.json()
